"""A model's journal: its batches and refusals as records. Not kept: nothing is written, and answers have no id."""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from contracts.local_libraries import onnx_runtime
from contracts.serving.packed_text import PREFIX
from serving.triton.counters import Counters
from serving.triton.creatives import Looks
from serving.triton.graph import Answer
from serving.triton.joined_rows import JoinedRows
from serving.triton.joined_text import JoinedText, cut
from serving.triton.journal.images import ImageStore
from serving.triton.journal.layout import NO_ROUTE
from serving.triton.journal.options import journal_options
from serving.triton.journal.privacy import Privacy, journal_privacy
from serving.triton.journal.processor import processor
from serving.triton.journal.record import (
    Asked,
    LookedAt,
    Routed,
    Seen,
    Unanswered,
    write_answers,
    write_event,
    write_refusals,
)
from serving.triton.journal.writer import LOST_TOTAL, Writer


class ModelJournal:
    """Writes what one process of the model `name` answers, with the graph of that sha-256. Raises ValueError if the environment
    cannot be understood.

    `sees_images`: it keeps the images that come with requests, too.
    """

    def __init__(
        self, name: str, version: int, settings: dict[str, Any], counters: Counters, say: Callable[[str], None],
        sees_images: bool = False, graph: str | None = None,
    ) -> None:  # fmt: skip
        self._release, options = version, journal_options()
        about = {"written_by": "python", "model": name, "release": version, "onnxruntime": onnx_runtime().__version__}
        about |= {"threads": settings["ort_threads"], "graph": graph, "processor": processor(), "schema": settings["journal"]}
        self._privacy: Privacy | None = None
        if options is not None:
            self._privacy = journal_privacy(settings["journal"])
            about |= {} if self._privacy is None else self._privacy.told
        self._writer = None if options is None else Writer(options, about, counters.count, say)
        self._keeps_all = options is not None and options.images == "all"
        keeps_images = sees_images and options is not None and options.images != "none"
        self._store = ImageStore(options, counters.count, say) if keeps_images else None
        if options is not None:
            for what in ("requests", "rows"):  # a counter that begins with what was lost would hide its first rise
                counters.count(LOST_TOTAL, 0, what=what)

    @property
    def is_kept(self) -> bool:
        return self._writer is not None

    def answers(
        self, rows: JoinedRows, found: Answer, looks: Looks | None, route: int = NO_ROUTE, routed: Sequence[Routed] | None = None
    ) -> list[str | None] | None:
        """Write the requests of `rows` that are not refused, and before that their images; the id of each answer, None if it has
        none. `route`: the digest of the route, and what it made of each request, of those that are refused as well.

        None instead of the list if they may not leave.
        """
        kept = [number for number, refusal in enumerate(rows.refusals) if refusal is None]
        if self._writer is None or not kept:
            return [None] * len(rows.requests)
        asked = [rows.requests[number] for number in kept]
        hidden, by_route = self._privacy, None if routed is None else [routed[number] for number in kept]
        if by_route is not None and hidden is not None:
            by_route = [hidden.of_routed(own) for own in by_route]
        requests = [
            Asked(
                num_rows=a.num_rows,
                request_id=a.request_id,
                event_ns=a.event_ns,
                keys=a.keys if hidden is None else hidden.of_keys(a.keys),
            )
            for a in asked
        ]
        images = [] if hidden is not None and hidden.hides_images else _images(rows, found)
        if self._store is not None and images:
            wanted = {image.digest: image.content for image in images if image.is_looked_at or self._keeps_all}
            if not self._store.keep(wanted):
                return None
        seen = _seen(rows, found, looks, kept, images)
        seen = seen if hidden is None else hidden.of_rows(seen)
        ids = write_answers(self._writer, self._release, requests, seen, route, by_route)
        if ids is None:
            return None
        by_number = dict(zip(kept, ids, strict=True))
        return [by_number.get(number) for number in range(len(rows.requests))]

    def refusals(self, requests: Iterable[Unanswered]) -> None:
        """Write that these are not answered."""
        told = [*requests]
        if self._writer is not None and told:
            write_refusals(self._writer, self._release, told)

    def event(self, event: dict[str, Any]) -> None:
        """Write that something happened to the route."""
        if self._writer is not None:
            write_event(self._writer, event)

    def close(self) -> None:
        if self._store is not None:
            self._store.close()
        if self._writer is not None:
            self._writer.close()


def unanswered(request: Any, rule: str) -> Unanswered:
    """What is written of a request that Triton handed over."""
    tensors = request.inputs()
    shape = tensors[0].shape() if tensors else ()
    size = sum(_num_bytes(tensor.as_numpy()) for tensor in tensors)
    return Unanswered(rule=rule, request_id=request.request_id(), num_bytes=size, num_rows=shape[0] if len(shape) else 0)


def _num_bytes(values: np.ndarray) -> int:
    if values.dtype != object:
        return values.nbytes
    return sum(len(value) + PREFIX for value in values.ravel())


@dataclass(frozen=True, kw_only=True)
class SentImage:
    """An image that came with a row of a request that is not refused."""

    place: int  # the joined row
    content: bytes
    digest: bytes  # SHA-256
    is_looked_at: bool  # the model did not know the creative


def _images(rows: JoinedRows, found: Answer) -> list[SentImage]:
    digests: dict[bytes, bytes] = {}
    images = []
    for request, _, place, content in rows.images():
        if rows.refusals[request] is None:
            if content not in digests:
                digests[content] = hashlib.sha256(content).digest()
            is_stranger = found.creative_idx_N is not None and found.creative_idx_N[place] == 0
            images.append(SentImage(place=place, content=content, digest=digests[content], is_looked_at=bool(is_stranger)))
    return images


def _seen(rows: JoinedRows, found: Answer, looks: Looks | None, kept: list[int], images: list[SentImage]) -> Seen:
    is_kept_N = np.repeat([refusal is None for refusal in rows.refusals], [request.num_rows for request in rows.requests])
    everything = bool(is_kept_N.all())
    ids_NK = found.cat_idx_NF
    if found.creative_idx_N is not None:
        ids_NK = np.column_stack([ids_NK, found.creative_idx_N])
    lengths, text = _strings(rows, kept, None if everything else is_kept_N)
    place_N = np.cumsum(is_kept_N) - 1
    looked_at = [
        LookedAt(
            row=int(place_N[image.place]),
            num_bytes=len(image.content),
            look=looks.look_N[image.place],
            emb_E=looks.emb_NE[image.place],
        )
        for image in images
        if image.is_looked_at and looks is not None
    ]
    return Seen(
        text_lengths=lengths,
        text=text,
        numbers_NM=np.concatenate([rows.requests[number].numeric_NM for number in kept]),
        ids_NK=ids_NK if everything else ids_NK[is_kept_N],
        p_click_N=found.p_click_N if everything else found.p_click_N[is_kept_N],
        images=[(int(place_N[image.place]), image.digest) for image in images],
        looked_at=looked_at,
        graph_rows=rows.num_rows,
    )


def _strings(rows: JoinedRows, kept: list[int], is_kept_N: np.ndarray | None) -> tuple[np.ndarray, bytes]:
    """Lengths and bytes of the strings as they came, one after the other."""
    if rows.text is None:
        return np.empty(0, dtype=np.int64), b""
    if rows.came is not None:
        return _without_marks(rows.came, is_kept_N)
    values = [value for number in kept for value in cut(rows.requests[number].raw.tobytes())]
    return np.array([len(value) for value in values], dtype=np.int64), b"".join(values)


def _without_marks(came: JoinedText, is_kept_N: np.ndarray | None) -> tuple[np.ndarray, bytes]:
    starts_NC, lengths_NC = came.starts_NC, came.lengths_NC
    is_text = np.ones(len(came.encoded), dtype=bool)
    marks = starts_NC.ravel() - PREFIX
    for place in range(PREFIX):
        is_text[marks + place] = False
    if is_kept_N is not None:
        ends_N = starts_NC[:, -1] + lengths_NC[:, -1]
        for start, end in zip(starts_NC[~is_kept_N, 0].tolist(), ends_N[~is_kept_N].tolist(), strict=True):
            is_text[start:end] = False
        lengths_NC = lengths_NC[is_kept_N]
    text = np.frombuffer(came.encoded, dtype=np.uint8)[is_text]
    return lengths_NC.ravel(), text.tobytes()
