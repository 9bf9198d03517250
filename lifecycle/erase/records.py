"""One record of answers: which of its rows are somebody's, and the record without them.

An erased row stays in its place, so that the batch keeps its shape: no text, no key, numbers and outputs NaN, ids 0. Section 16
says which rows these are. Shape letters: R requests, N rows, C string columns, M number columns, K ids, O outputs.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from lifecycle.erase.wanted import Wanted
from lifecycle.journal.answers import REQUEST_TYPE, ROUTED_TYPE, Unreadable, Widths
from lifecycle.journal.columns import Kind
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
    LOOK,
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
from serving.triton.journal.privacy import KEYED_HASH
from serving.triton.journal.record import leb128 as encoded

KNOWN = {*range(REQUESTS, IMAGES + 1), LOOKS, EMBEDDINGS, *range(ERASED, ROUTING_KEYS + 1)}


@dataclass(frozen=True, kw_only=True)
class AnswerRecord:
    """The payload of a frame, in its sections."""

    head: tuple[int, ...]  # of ANSWERS_HEAD
    sections: dict[int, bytes]

    @classmethod
    def of(cls, payload: bytes) -> "AnswerRecord":
        """Raises Unreadable."""
        head = ANSWERS_HEAD.unpack_from(payload)
        at = ANSWERS_HEAD.size
        directory = [SECTION.unpack_from(payload, at + SECTION.size * place) for place in range(head[0])]
        ends = np.cumsum([at + SECTION.size * head[0], *(size for _, size in directory)]).tolist()
        if ends[-1] != len(payload):
            raise Unreadable(f"its sections end at byte {ends[-1]}, the frame at byte {len(payload)}")
        parts = (payload[start:end] for start, end in pairwise(ends))
        sections = {tag: part for (tag, _), part in zip(directory, parts, strict=True)}
        if ROUTING in sections and len(sections[ROUTING]) != ROUTED.size * head[3]:
            raise Unreadable(f"section {ROUTING} has {len(sections[ROUTING])} bytes, expected {head[3]} x {ROUTED.size}")
        return cls(head=head, sections=sections)

    @property
    def num_rows(self) -> int:
        return self.head[2]

    def payload(self) -> bytes:
        head = ANSWERS_HEAD.pack(len(self.sections), *self.head[1:])
        directory = (SECTION.pack(tag, len(content)) for tag, content in self.sections.items())
        return b"".join([head, *directory, *self.sections.values()])

    def images(self) -> list[tuple[int, bytes]]:
        return [*IMAGE.iter_unpack(self.sections.get(IMAGES, b""))]

    def rows_of(self, wanted: Wanted, kind: Kind) -> np.ndarray:
        """Rows of the user, ascending."""
        found_N = np.zeros(self.num_rows, dtype=bool)
        names = [name for name, _ in kind.strings]
        if wanted.column in names:
            texts = _texts(self.sections, len(names), names.index(wanted.column))
            found_N |= _meant(texts, wanted, is_hashed=kind.columns.get(wanted.column) == KEYED_HASH)
        if wanted.in_caller_keys and KEYS in self.sections:
            keys = _cut(self.sections[KEYS], np.maximum(leb128(self.sections[KEY_LENGTHS]).astype(np.int64) - 1, 0))
            found_N |= _meant(keys, wanted, is_hashed=kind.caller_key == KEYED_HASH)
        return np.flatnonzero(found_N)

    def requests_routed_by(self, wanted: Wanted, kind: Kind) -> np.ndarray:
        """Requests whose routing key, as the caller sent it, is the user; ascending."""
        if ROUTING_KEYS not in self.sections:
            return np.empty(0, dtype=np.int64)
        lengths_R = leb128(self.sections[ROUTING_KEY_LENGTHS]).astype(np.int64)
        keys = _cut(self.sections[ROUTING_KEYS], np.maximum(lengths_R - 1, 0))
        return np.flatnonzero(_meant(keys, wanted, is_hashed=kind.caller_key == KEYED_HASH) & (lengths_R > 0))

    def without(self, rows: np.ndarray, widths: Widths, routed: Sequence[int] | np.ndarray = ()) -> "AnswerRecord":
        """The record with these rows erased, and the routing keys of the requests `routed`. What sections of kinds that this
        program does not know say is left out.
        """
        before = [row for (row,) in ROW.iter_unpack(self.sections.get(ERASED, b""))]
        gone_N = np.zeros(self.num_rows, dtype=bool)
        gone_N[[*before, *rows.tolist()]] = True
        sections = {tag: content for tag, content in self.sections.items() if tag in KNOWN}
        _erase_routing(sections, gone_N, routed)
        _erase_requests(sections, gone_N)
        _erase_texts(sections, KEY_LENGTHS, KEYS, gone_N, 1, offset=1)
        if not any(sections.get(KEY_LENGTHS, b"")):
            sections.pop(KEY_LENGTHS, None), sections.pop(KEYS, None)
        _erase_texts(sections, TEXT_LENGTHS, TEXT, gone_N, widths.strings)
        for tag, columns in ((NUMBERS, widths.numbers), (OUTPUTS, widths.outputs)):
            if tag in sections:
                values_NX = np.frombuffer(sections[tag], dtype="<f4").reshape(-1, columns).copy()
                values_NX[gone_N] = np.nan
                sections[tag] = values_NX.tobytes()
        ids_NK = leb128(sections[IDS]).reshape(-1, widths.ids).copy()
        ids_NK[gone_N] = 0
        sections[IDS] = encoded(ids_NK.ravel())
        for tag in (IMAGES, LOOKS, EMBEDDINGS):
            if left := _without_rows(tag, sections.pop(tag, b""), gone_N):
                sections[tag] = left
        if gone_N.any():
            sections[ERASED] = b"".join(ROW.pack(row) for row in np.flatnonzero(gone_N).tolist())
        return AnswerRecord(head=self.head, sections=sections)


def _without_rows(tag: int, content: bytes, gone_N: np.ndarray) -> bytes:
    """A section whose entries begin with their row, of one length each; nothing if none is left."""
    head = content[: EMBEDDING_HEAD.size] if tag == EMBEDDINGS else b""
    entries = content[len(head) :]
    size = {IMAGES: IMAGE.size, LOOKS: LOOK.size}.get(tag) or ROW.size + 4 * (EMBEDDING_HEAD.unpack(head)[0] if head else 0)
    left = [entries[at : at + size] for at in range(0, len(entries), size) if not gone_N[ROW.unpack_from(entries, at)[0]]]
    return head + b"".join(left) if left else b""


def _cut(text: bytes, lengths: np.ndarray) -> list[bytes]:
    ends = np.cumsum(lengths.astype(np.int64)).tolist()
    return [text[start:end] for start, end in pairwise([0, *ends])]


def _texts(sections: dict[int, bytes], columns: int, column: int) -> list[bytes]:
    """A string column's."""
    ends_NC = np.cumsum(leb128(sections[TEXT_LENGTHS]).astype(np.int64)).reshape(-1, columns)
    lengths_N = leb128(sections[TEXT_LENGTHS]).reshape(-1, columns)[:, column].astype(np.int64)
    starts_N, text = (ends_NC[:, column] - lengths_N).tolist(), sections[TEXT]
    return [text[start : start + length] for start, length in zip(starts_N, lengths_N.tolist(), strict=True)]


def _meant(texts: list[bytes], wanted: Wanted, is_hashed: bool) -> np.ndarray:
    known = {text: text in wanted.hashes if is_hashed else wanted.is_meant(text) for text in {*texts}}
    return np.array([known[text] for text in texts], dtype=bool)


def _erase_texts(
    sections: dict[int, bytes], lengths_tag: int, text_tag: int, gone_N: np.ndarray, columns: int, offset: int = 0
) -> None:
    """Lengths of 0 and no text in the rows that are gone. `offset`: what is added to the length of a text that is there."""
    if lengths_tag not in sections:
        return
    written_NC = leb128(sections[lengths_tag]).astype(np.int64).reshape(-1, columns)
    texts = _cut(sections[text_tag], np.maximum(written_NC - offset, 0).ravel())
    stays = np.repeat(~gone_N, columns).tolist()
    sections[text_tag] = b"".join(text for text, is_kept in zip(texts, stays, strict=True) if is_kept)
    sections[lengths_tag] = encoded(np.where(gone_N[:, None], 0, written_NC).ravel())


def _has_rows(requests_R: np.ndarray, is_there_N: np.ndarray) -> np.ndarray:
    """Which requests have a row that is there."""
    request_N = np.repeat(np.arange(len(requests_R)), requests_R["rows"])
    return np.asarray(np.bincount(request_N[is_there_N], minlength=len(requests_R)) > 0)


def _erase_routing(sections: dict[int, bytes], gone_N: np.ndarray, routed: Sequence[int] | np.ndarray) -> None:
    """No routing key of a request that has no row left, or whose key has to go; no bucket where what it is of has gone: that key,
    or the first row, whose entity it is.
    """
    requests_R = np.frombuffer(sections[REQUESTS], dtype=REQUEST_TYPE)
    is_first_N = np.zeros(len(gone_N), dtype=bool)
    is_first_N[(np.cumsum(requests_R["rows"].astype(np.int64)) - requests_R["rows"])[requests_R["rows"] > 0]] = True
    has_to_go_R = np.zeros(len(requests_R), dtype=bool)
    has_to_go_R[routed] = True
    if ROUTING in sections:
        routed_R = np.frombuffer(sections[ROUTING], dtype=ROUTED_TYPE).copy()
        routed_R["bucket"][has_to_go_R | _has_rows(requests_R, is_first_N & gone_N)] = NO_BUCKET
        sections[ROUTING] = routed_R.tobytes()
    has_to_go_R |= ~_has_rows(requests_R, ~gone_N)
    _erase_texts(sections, ROUTING_KEY_LENGTHS, ROUTING_KEYS, has_to_go_R, 1, offset=1)
    if not any(sections.get(ROUTING_KEY_LENGTHS, b"")):
        sections.pop(ROUTING_KEY_LENGTHS, None), sections.pop(ROUTING_KEYS, None)


def _erase_requests(sections: dict[int, bytes], gone_N: np.ndarray) -> None:
    """No id and no event time of a request that has no row left."""
    requests_R = np.frombuffer(sections[REQUESTS], dtype=REQUEST_TYPE).copy()
    has_rows_R = _has_rows(requests_R, ~gone_N)
    ids = _cut(sections.get(REQUEST_IDS, b""), requests_R["id_bytes"])
    kept = b"".join(own for own, stays in zip(ids, has_rows_R.tolist(), strict=True) if stays)
    requests_R["id_bytes"][~has_rows_R] = 0
    times_R = np.frombuffer(sections.get(EVENT_TIMES, b""), dtype="<i8").copy()
    if len(times_R):
        times_R[~has_rows_R] = NOT_SENT
    sections[REQUESTS] = requests_R.tobytes()
    for tag, content, is_empty in (
        (REQUEST_IDS, kept, not kept),
        (EVENT_TIMES, times_R.tobytes(), bool((times_R == NOT_SENT).all())),
    ):
        if tag in sections:
            sections[tag] = content
            if is_empty:
                del sections[tag]
