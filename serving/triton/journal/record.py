"""What is written of a batch, and of requests that are not answered; serving/native/journal/record.c and refusals.c do the same.

Shape letters: R requests, N rows, C string columns, M number columns, K ids.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite
from struct import Struct
from typing import Any

import numpy as np

from serving.triton.journal.layout import (
    ANSWERED,
    ANSWERS,
    ANSWERS_HEAD,
    EMBEDDING_HEAD,
    EMBEDDINGS,
    EVENT,
    EVENT_TIMES,
    FALLBACK,
    IDS,
    IMAGE,
    IMAGES,
    KEY_LENGTHS,
    KEYS,
    LONGEST_SHORT,
    LOOK,
    LOOKS,
    NO_BUCKET,
    NO_ROUTE,
    NONE,
    NOT_SENT,
    NUMBERS,
    OUTPUTS,
    REFUSAL,
    REFUSALS,
    REQUEST,
    REQUEST_IDS,
    REQUESTS,
    ROUTED,
    ROUTING,
    ROUTING_KEY_LENGTHS,
    ROUTING_KEYS,
    SECTION,
    TEXT,
    TEXT_LENGTHS,
)
from serving.triton.journal.writer import Writer, spelled

INT64, INDEX = Struct("<q"), Struct("<I")


@dataclass(frozen=True, kw_only=True)
class Asked:
    """One request of a batch."""

    num_rows: int
    request_id: str
    event_ns: int  # NOT_SENT if the caller did not say
    keys: list[bytes] | None  # one a row


@dataclass(frozen=True, kw_only=True)
class Routed:
    """What the route made of a request. As it stands: nothing, there is none."""

    arm: int = NONE  # as assigned, whoever computed
    status: int = ANSWERED  # or SHADOW, FALLBACK
    bucket: int | None = None  # of the routing key
    flags: int = 0  # KEY_SENT, RELEASE_ASKED, CHALLENGER_OFF
    key: bytes | None = None  # that came as parameter `routing_key`
    shadowed: bytes | None = None  # id of the answer that a shadow shadows


UNROUTED = Routed()


@dataclass(frozen=True, kw_only=True)
class LookedAt:
    """The image of a row whose creative the model did not know."""

    row: int
    num_bytes: int
    look: np.ndarray  # float64: width, height, brightness, contrast, colourfulness, number of the format
    emb_E: np.ndarray  # float32: what the ranker got


@dataclass(frozen=True, kw_only=True)
class Seen:
    """The rows of these requests: as they came, and what the graph saw and said."""

    text_lengths: np.ndarray  # int64 [N * C], row by row
    text: bytes  # of all strings
    numbers_NM: np.ndarray  # float32
    ids_NK: np.ndarray  # int64
    p_click_N: np.ndarray  # float32
    images: list[tuple[int, bytes]]  # row, SHA-256
    looked_at: list[LookedAt]
    graph_rows: int  # rows of the graph's call, of which these may be some


@dataclass(frozen=True, kw_only=True)
class Unanswered:
    rule: str  # what it broke, a word
    request_id: str
    num_bytes: int  # of all its tensors
    num_rows: int  # 0 if that is not known


def write_answers(
    writer: Writer, release: int, requests: list[Asked], seen: Seen, route: int = NO_ROUTE, routed: Sequence[Routed] | None = None
) -> list[str] | None:
    """Write a batch; the ids of its answers, as text. None if they may not leave.

    `route`: its digest, and what it made of each request. A shadow has the id of what it shadows, and is not counted as answered.
    """
    now_ns, routed = writer.clock(), routed or [UNROUTED] * len(requests)
    ids = [writer.ids.draw(now_ns) if own.shadowed is None else own.shadowed for own in routed]
    payload = answers_payload(release, requests, seen, ids, now_ns, route, routed)
    answered = [request.num_rows for request, own in zip(requests, routed, strict=True) if own.status in (ANSWERED, FALLBACK)]
    if not writer.write(ANSWERS, payload, requests=len(answered), rows=sum(answered)):
        return None
    return [spelled(prediction_id) for prediction_id in ids]


def answers_payload(
    release: int, requests: list[Asked], seen: Seen, ids: list[bytes], now_ns: int, route: int = NO_ROUTE,
    routed: Sequence[Routed] | None = None,
) -> bytes:  # fmt: skip
    request_ids, routed = [_short(request.request_id) for request in requests], routed or [UNROUTED] * len(requests)
    entries = (
        REQUEST.pack(prediction_id, request.num_rows, release, own.status, own.arm, len(sent))
        for prediction_id, request, own, sent in zip(ids, requests, routed, request_ids, strict=True)
    )
    sections = {REQUESTS: b"".join(entries)}
    if any(request_ids):
        sections[REQUEST_IDS] = b"".join(request_ids)
    if any(request.event_ns != NOT_SENT for request in requests):
        sections[EVENT_TIMES] = b"".join(INT64.pack(request.event_ns) for request in requests)
    if any(request.keys is not None for request in requests):
        keys = [key for request in requests for key in (request.keys or [None] * request.num_rows)]
        sections[KEY_LENGTHS] = leb128(np.array([0 if key is None else len(key) + 1 for key in keys]))
        sections[KEYS] = b"".join(key or b"" for key in keys)
    if len(seen.text_lengths):
        sections |= {TEXT_LENGTHS: leb128(seen.text_lengths), TEXT: seen.text}
    if seen.numbers_NM.shape[1]:
        sections[NUMBERS] = np.ascontiguousarray(seen.numbers_NM, dtype="<f4").tobytes()
    sections |= {IDS: leb128(seen.ids_NK.ravel()), OUTPUTS: np.ascontiguousarray(seen.p_click_N, dtype="<f4").tobytes()}
    if seen.images:
        sections[IMAGES] = b"".join(IMAGE.pack(row, digest) for row, digest in seen.images)
    if seen.looked_at:
        sections |= {LOOKS: b"".join(map(_look, seen.looked_at)), EMBEDDINGS: _embeddings(seen.looked_at)}
    sections |= _routing(route, routed)
    rows = sum(request.num_rows for request in requests)
    head = ANSWERS_HEAD.pack(len(sections), 0, rows, len(requests), seen.graph_rows, now_ns, route)
    directory = (SECTION.pack(tag, len(content)) for tag, content in sections.items())
    return b"".join([head, *directory, *sections.values()])


def write_refusals(writer: Writer, release: int, requests: list[Unanswered]) -> None:
    """Write that these requests get no answer, and nothing of what was in them."""
    parts = []
    for request in requests:
        rule, sent, now_ns = _short(request.rule), _short(request.request_id), writer.clock()
        parts.append(REFUSAL.pack(now_ns, request.num_bytes, request.num_rows, release, len(rule), len(sent)) + rule + sent)
    writer.write(REFUSALS, b"".join(parts), refused=len(requests))


def write_event(writer: Writer, event: dict[str, Any]) -> None:
    """Write what happened: `at_ns`, `event` (a word), `route` (16 hexadecimal digits) and what belongs to it."""
    writer.write(EVENT, json.dumps(_finite(event), ensure_ascii=False, allow_nan=False).encode())


def _finite(value: Any) -> Any:
    """JSON has no word for what is not finite, and evidence of a guard may be just that: it is a text then."""
    if isinstance(value, dict):
        return {name: _finite(inner) for name, inner in value.items()}
    return str(value) if isinstance(value, float) and not isfinite(value) else value


def leb128(values: np.ndarray) -> bytes:
    """Whole numbers from 0 on: seven bits a byte, the lowest first; a byte whose highest bit is set is not a number's last."""
    if not len(values) or values.max() < 0x80:
        return values.astype(np.uint8).tobytes()
    left = values.astype(np.uint64)
    sizes, rest = np.ones(len(left), dtype=np.int64), left >> np.uint64(7)
    while rest.any():
        sizes += rest > 0
        rest >>= np.uint64(7)
    ends = np.cumsum(sizes)
    starts, found = ends - sizes, np.empty(ends[-1], dtype=np.uint8)
    for place in range(int(sizes.max())):
        here = sizes > place
        seven = (left[here] >> np.uint64(7 * place)).astype(np.uint8) & 0x7F
        found[starts[here] + place] = seven | np.where(sizes[here] > place + 1, 0x80, 0).astype(np.uint8)
    return found.tobytes()


def _routing(route: int, routed: Sequence[Routed]) -> dict[int, bytes]:
    sections = {}
    if route != NO_ROUTE and any(own.bucket is not None or own.flags for own in routed):
        entries = ((NO_BUCKET if own.bucket is None else own.bucket, own.flags) for own in routed)
        sections[ROUTING] = b"".join(ROUTED.pack(*entry) for entry in entries)
    keys = [own.key for own in routed]
    if any(key is not None for key in keys):
        sections[ROUTING_KEY_LENGTHS] = leb128(np.array([0 if key is None else len(key) + 1 for key in keys]))
        sections[ROUTING_KEYS] = b"".join(key or b"" for key in keys)
    return sections


def _look(image: LookedAt) -> bytes:
    width, height, brightness, contrast, colourfulness, kind = image.look.tolist()
    return LOOK.pack(image.row, image.num_bytes, int(width), int(height), brightness, contrast, colourfulness, int(kind))


def _embeddings(images: list[LookedAt]) -> bytes:
    rows = (INDEX.pack(image.row) + image.emb_E.astype("<f4").tobytes() for image in images)
    return EMBEDDING_HEAD.pack(len(images[0].emb_E)) + b"".join(rows)


def _short(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")[:LONGEST_SHORT]
