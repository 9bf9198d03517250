"""Frames of answers as arrays: many frames at once, so that a row costs little.

Shape letters: R requests, N rows, C string columns, M number columns, K ids, O outputs, L rows whose image was looked at.
"""

from collections import defaultdict
from dataclasses import dataclass
from functools import cache, lru_cache
from mmap import mmap
from struct import Struct

import numpy as np

from lifecycle.journal.leb128 import leb128
from serving.triton.journal.layout import (
    ANSWERS_HEAD,
    EMBEDDING_HEAD,
    EMBEDDINGS,
    ERASED,
    EVENT_TIMES,
    IDS,
    IMAGE,
    IMAGES,
    KEY_LENGTHS,
    KEYS,
    LOOKS,
    NO_BUCKET,
    NOT_SENT,
    NUMBERS,
    OUTPUTS,
    REQUEST_IDS,
    REQUESTS,
    ROUTED,
    ROUTING,
    ROUTING_KEY_LENGTHS,
    ROUTING_KEYS,
    ROW,
    SECTION,
    TEXT,
    TEXT_LENGTHS,
)

REQUEST_TYPE = np.dtype(
    [("id", "V16"), ("rows", "<u4"), ("release", "<u4"), ("status", "u1"), ("arm", "u1"), ("id_bytes", "<u2")]
)
FRAME_TYPE = np.dtype([("rows", "<u4"), ("requests", "<u4"), ("graph_rows", "<u4"), ("answered_ns", "<i8"), ("route", "<u8")])
ROUTED_TYPE = np.dtype([("bucket", "<u4"), ("flags", "u1"), ("zeros", "V3")])
LOOK_TYPE = np.dtype(
    [
        *(("row", "<u4"), ("bytes", "<u4"), ("width", "<u4"), ("height", "<u4")),
        *(("brightness", "<f4"), ("contrast", "<f4"), ("colourfulness", "<f4"), ("format", "u1"), ("zeros", "V3")),
    ]
)
ABSENT = NOT_SENT.to_bytes(8, "little", signed=True)
UNROUTED = {ROUTING: ROUTED.pack(NO_BUCKET, 0), ROUTING_KEY_LENGTHS: b"\0"}  # what stands for a request of another record


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
    looks_L: np.ndarray  # LOOK_TYPE, of rows whose image the model looked at
    embeddings_L: np.ndarray  # `row` uint32 and `emb` float32 [E]; E is 0 if there is none
    erased: list[int]  # rows of which nothing is left
    routed_R: np.ndarray  # ROUTED_TYPE; empty if no record says anything of a route
    routing_key_lengths_R: np.ndarray  # unsigned: one more than the key's bytes, 0 for none; empty if there is none at all
    routing_keys: bytes

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
        self._looks: list[np.ndarray] = []
        self._embeddings: list[np.ndarray] = []
        self._erased: list[int] = []
        self._of_requests: dict[int, int] = {}  # for how many requests there are entries in a section that not all records have
        self.num_rows = self.num_bytes = self._num_requests = 0

    def add(self, content: mmap, start: int, end: int) -> None:
        """Take the payload of a frame, which is copied. Raises Unreadable."""
        count, _, rows, requests, graph_rows, answered_ns, route = ANSWERS_HEAD.unpack_from(content, start)
        directory, at = _directory(count), start + ANSWERS_HEAD.size
        entries = directory.unpack_from(content, at)
        at += directory.size
        parts, tags = self._parts, entries[::2]
        there = _set(tags)
        for tag, size in zip(tags, entries[1::2], strict=True):
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
        if LOOKS in there:
            self._looks.append(_of_rows(parts[LOOKS].pop(), LOOK_TYPE, rows, self.num_rows, LOOKS))
        if EMBEDDINGS in there:
            dimension, entries_L = _embeddings(parts[EMBEDDINGS].pop())
            kind = _embedding_type(dimension)
            self._embeddings.append(_of_rows(entries_L, kind, rows, self.num_rows, EMBEDDINGS))
            if self._embeddings[0].dtype != kind:
                raise Unreadable(f"its embeddings have dimension {dimension}, those before another")
        if ERASED in there:
            self._erased += [self.num_rows + row for (row,) in ROW.iter_unpack(parts[ERASED].pop())]
        if ROUTING in there or ROUTING_KEY_LENGTHS in there:
            self._add_routing(there, requests)
        self._heads.append((rows, requests, graph_rows, answered_ns, route))
        self.num_rows, self.num_bytes = self.num_rows + rows, self.num_bytes + end - start
        self._num_requests += requests

    def _add_routing(self, there: frozenset[int], requests: int) -> None:
        """Put the entries of a record behind those of the requests before, which may have none. Raises Unreadable."""
        if ROUTING in there and (size := len(self._parts[ROUTING][-1])) != ROUTED.size * requests:
            raise Unreadable(f"section {ROUTING} has {size} bytes, expected {requests} x {ROUTED.size}")
        for tag in (ROUTING, ROUTING_KEY_LENGTHS):
            if tag in there:
                part = self._parts[tag].pop()
                self._fill(tag)
                self._parts[tag].append(part)
                self._of_requests[tag] = self._num_requests + requests

    def _fill(self, tag: int) -> None:
        missing = self._num_requests - self._of_requests.get(tag, 0)
        self._parts[tag].append(UNROUTED[tag] * missing)

    def take(self) -> Answers:
        """All that was gathered; the pile is empty then. Raises Unreadable."""
        parts, widths, rows = self._parts, self._widths, self.num_rows

        for tag in self._of_requests:
            self._fill(tag)

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
            looks_L=np.concatenate(self._looks) if self._looks else np.empty(0, LOOK_TYPE),
            embeddings_L=np.concatenate(self._embeddings) if self._embeddings else np.empty(0, _embedding_type(0)),
            erased=self._erased,
            routed_R=np.frombuffer(joined(ROUTING), dtype=ROUTED_TYPE),
            routing_key_lengths_R=leb128(joined(ROUTING_KEY_LENGTHS)),
            routing_keys=joined(ROUTING_KEYS),
        )
        for what, size, expected in (
            ("rows of requests", int(found.requests_R["rows"].sum()), rows),
            ("requests", len(found.requests_R), int(found.frames["requests"].sum())),
            ("event times", len(found.event_ns_R), len(found.requests_R)),
            ("bytes of request ids", len(found.request_ids), int(found.requests_R["id_bytes"].sum())),
            ("routing keys", len(found.routing_key_lengths_R), len(found.requests_R) if parts[ROUTING_KEY_LENGTHS] else 0),
            ("bytes of routing keys", len(found.routing_keys), _bytes_of(found.routing_key_lengths_R)),
            ("bytes of text", len(found.text), int(found.text_lengths_NC.sum(dtype=np.int64))),
            ("bytes of keys", len(found.keys), _bytes_of(found.key_lengths_N)),
        ):
            if size != expected:
                raise Unreadable(f"it has {size} {what}, expected {expected}")
        self._clear()
        return found


def _bytes_of(lengths: np.ndarray) -> int:
    """Of texts whose lengths are written with one more, and 0 where there is none."""
    return int(np.maximum(lengths, 1).sum(dtype=np.int64)) - len(lengths)


def _shaped(values: np.ndarray, rows: int, columns: int, tag: int) -> np.ndarray:
    if len(values) != rows * columns:
        raise Unreadable(f"section {tag} holds {len(values)} values, expected {rows} x {columns}")
    return values.reshape(rows, columns)


def _embeddings(section: bytes) -> tuple[int, bytes]:
    """Their dimension, and the entries."""
    if len(section) < EMBEDDING_HEAD.size:
        raise Unreadable(f"section {EMBEDDINGS} has {len(section)} bytes, expected at least {EMBEDDING_HEAD.size}")
    return EMBEDDING_HEAD.unpack_from(section)[0], section[EMBEDDING_HEAD.size :]


def _embedding_type(dimension: int) -> np.dtype:
    return np.dtype([("row", "<u4"), ("emb", "<f4", (dimension,))])


def _of_rows(entries: bytes, kind: np.dtype, rows: int, before: int, tag: int) -> np.ndarray:
    """Entries of some of the frame's rows, with the number that the row has among all; `before` it there are so many."""
    if len(entries) % kind.itemsize:
        raise Unreadable(f"section {tag} has {len(entries)} bytes of entries, expected a multiple of {kind.itemsize}")
    found = np.frombuffer(entries, dtype=kind).copy()
    if len(found) and found["row"].max() >= rows:
        raise Unreadable(f"section {tag} names row {found['row'].max()} of {rows}")
    found["row"] += before
    return found


@lru_cache(maxsize=256)
def _set(tags: tuple[int, ...]) -> frozenset[int]:
    """Records have few kinds of directories, and many questions are asked of each."""
    return frozenset(tags)


@cache
def _directory(count: int) -> Struct:
    return Struct("<" + SECTION.format.lstrip("<") * count)
