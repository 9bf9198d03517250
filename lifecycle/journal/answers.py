"""Frames of answers as arrays: many frames at once, so that a row costs little.

Shape letters: R requests, N rows, C string columns, M number columns, K ids, O outputs.
"""

from collections import defaultdict
from dataclasses import dataclass
from functools import cache
from mmap import mmap
from struct import Struct

import numpy as np

from serving.triton.journal.layout import (
    ANSWERS_HEAD,
    EVENT_TIMES,
    IDS,
    IMAGE,
    IMAGES,
    KEY_LENGTHS,
    KEYS,
    NOT_SENT,
    NUMBERS,
    OUTPUTS,
    REQUEST_IDS,
    REQUESTS,
    SECTION,
    TEXT,
    TEXT_LENGTHS,
)

REQUEST_TYPE = np.dtype(
    [("id", "V16"), ("rows", "<u4"), ("release", "<u4"), ("status", "u1"), ("arm", "u1"), ("id_bytes", "<u2")]
)
FRAME_TYPE = np.dtype([("rows", "<u4"), ("requests", "<u4"), ("graph_rows", "<u4"), ("answered_ns", "<i8"), ("route", "<u8")])
ABSENT = NOT_SENT.to_bytes(8, "little", signed=True)


class Unreadable(ValueError):
    """A frame whose checksum is right and whose content is not what the format says: a fault of who wrote it."""


@dataclass(frozen=True, kw_only=True)
class Widths:
    """Of a segment's rows."""

    strings: int  # C
    numbers: int  # M
    ids: int  # K
    outputs: int  # O


@dataclass(frozen=True, kw_only=True)
class Answers:
    """What several frames hold, one after the other. Rows of requests that were handed on are among them."""

    frames: np.ndarray  # FRAME_TYPE
    requests_R: np.ndarray  # REQUEST_TYPE
    request_ids: bytes  # of all requests
    event_ns_R: np.ndarray  # int64, NOT_SENT where it is not known
    key_lengths_N: np.ndarray  # unsigned: one more than the key's bytes, 0 for none
    keys: bytes
    text_lengths_NC: np.ndarray  # unsigned
    text: bytes
    numbers_NM: np.ndarray  # float32
    ids_NK: np.ndarray  # unsigned
    outputs_NO: np.ndarray  # float32
    images: list[tuple[int, bytes]]  # row, SHA-256

    @property
    def num_rows(self) -> int:
        return len(self.outputs_NO)


class AnswersPile:
    """Gathers frames until there are enough of them."""

    def __init__(self, widths: Widths) -> None:
        self._widths = widths
        self._clear()

    def _clear(self) -> None:
        self._heads: list[tuple[int, int, int, int, int]] = []
        self._parts: defaultdict[int, list[bytes]] = defaultdict(list)
        self._images: list[tuple[int, bytes]] = []
        self.num_rows = self.num_bytes = 0

    def add(self, content: mmap, start: int, end: int) -> None:
        """Take the payload of a frame, which is copied. Raises Unreadable."""
        count, _, rows, requests, graph_rows, answered_ns, route = ANSWERS_HEAD.unpack_from(content, start)
        directory, at = _directory(count), start + ANSWERS_HEAD.size
        entries = directory.unpack_from(content, at)
        at += directory.size
        parts, there = self._parts, entries[::2]
        for tag, size in zip(there, entries[1::2], strict=True):
            parts[tag].append(content[at : at + size])
            at += size
        if at != end:
            raise Unreadable(f"its sections end at byte {at}, the frame at byte {end}")
        if EVENT_TIMES not in there:
            parts[EVENT_TIMES].append(ABSENT * requests)
        if KEY_LENGTHS not in there:
            parts[KEY_LENGTHS].append(bytes(rows))
        if IMAGES in there:
            self._images += [(self.num_rows + row, digest) for row, digest in IMAGE.iter_unpack(parts[IMAGES].pop())]
        self._heads.append((rows, requests, graph_rows, answered_ns, route))
        self.num_rows, self.num_bytes = self.num_rows + rows, self.num_bytes + end - start

    def take(self) -> Answers:
        """All that was gathered; the pile is empty then. Raises Unreadable."""
        parts, widths, rows = self._parts, self._widths, self.num_rows

        def joined(tag: int) -> bytes:
            return b"".join(parts[tag])

        def numbers(tag: int, columns: int) -> np.ndarray:
            return _shaped(leb128(joined(tag)), rows, columns, tag)

        found = Answers(
            frames=np.array(self._heads, dtype=FRAME_TYPE),
            requests_R=np.frombuffer(joined(REQUESTS), dtype=REQUEST_TYPE),
            request_ids=joined(REQUEST_IDS),
            event_ns_R=np.frombuffer(joined(EVENT_TIMES), dtype="<i8"),
            key_lengths_N=numbers(KEY_LENGTHS, 1)[:, 0],
            keys=joined(KEYS),
            text_lengths_NC=numbers(TEXT_LENGTHS, widths.strings),
            text=joined(TEXT),
            numbers_NM=_shaped(np.frombuffer(joined(NUMBERS), dtype="<f4"), rows, widths.numbers, NUMBERS),
            ids_NK=numbers(IDS, widths.ids),
            outputs_NO=_shaped(np.frombuffer(joined(OUTPUTS), dtype="<f4"), rows, widths.outputs, OUTPUTS),
            images=self._images,
        )
        for what, size, expected in (
            ("rows of requests", int(found.requests_R["rows"].sum()), rows),
            ("requests", len(found.requests_R), int(found.frames["requests"].sum())),
            ("event times", len(found.event_ns_R), len(found.requests_R)),
            ("bytes of request ids", len(found.request_ids), int(found.requests_R["id_bytes"].sum())),
            ("bytes of text", len(found.text), int(found.text_lengths_NC.sum(dtype=np.int64))),
            ("bytes of keys", len(found.keys), int(np.maximum(found.key_lengths_N, 1).sum(dtype=np.int64)) - rows),
        ):
            if size != expected:
                raise Unreadable(f"it has {size} {what}, expected {expected}")
        self._clear()
        return found


def leb128(encoded: bytes) -> np.ndarray:
    """The numbers, of an unsigned type that holds them: seven bits a byte, the lowest first; a byte whose highest bit is set is
    not a number's last.
    """
    raw = np.frombuffer(encoded, dtype=np.uint8)
    goes_on = raw >= 0x80
    if not goes_on.any():
        return raw
    if not (goes_on[1:] & goes_on[:-1]).any():
        return _short_numbers(raw, goes_on)
    ends = np.flatnonzero(~goes_on)
    sizes = np.diff(ends, prepend=-1)
    longest = int(sizes.max(initial=1))
    values = raw[ends].astype(np.uint32 if longest <= 4 else np.uint64)  # right where a number is one byte
    longer = np.flatnonzero(sizes > 1)
    starts, left = ends[longer] - sizes[longer] + 1, sizes[longer]
    found = (raw[starts] & 0x7F).astype(values.dtype)
    for place in range(1, longest):
        more = np.flatnonzero(left > place)
        found[more] |= (raw[starts[more] + place] & 0x7F).astype(values.dtype) << values.dtype.type(7 * place)
    values[longer] = found
    return values


def _short_numbers(raw: np.ndarray, goes_on: np.ndarray) -> np.ndarray:
    """Numbers of one or two bytes, uint16."""
    before = np.zeros(len(raw), dtype=np.uint16)  # what the first byte of two gives to the second
    np.multiply(raw[:-1] & 0x7F, goes_on[:-1], out=before[1:], casting="unsafe")
    values = raw.astype(np.uint16)
    values[1:] <<= 7 * goes_on[:-1].astype(np.uint16)
    values |= before
    return values[~goes_on]


def _shaped(values: np.ndarray, rows: int, columns: int, tag: int) -> np.ndarray:
    if len(values) != rows * columns:
        raise Unreadable(f"section {tag} holds {len(values)} values, expected {rows} x {columns}")
    return values.reshape(rows, columns)


@cache
def _directory(count: int) -> Struct:
    return Struct("<" + SECTION.format.lstrip("<") * count)
