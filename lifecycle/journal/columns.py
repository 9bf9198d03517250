"""Answers as a table: the columns of the declaration, as the segment's own header names them, beside what the journal says.

Shape letters: R requests, N rows, C string columns, K ids.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from contracts.tables.spellings import Misspelt, TooLarge, truth, whole_number
from lifecycle.journal.answers import Answers, Widths
from lifecycle.journal.image_columns import IMAGE_COLUMNS, image_columns
from lifecycle.journal.routing_columns import ROUTING_COLUMNS, routing_columns
from lifecycle.journal.texts import keys_of, texts_of
from serving.triton.journal.layout import ANSWERED, FALLBACK, NOT_SENT, SHADOW
from serving.triton.journal.privacy import AS_IS, KEYED_HASH

INSTANT = pa.timestamp("ns", "UTC")
OWN = {  # what the journal says of a row
    "prediction_id": pa.string(),
    "row": pa.uint32(),  # of its request, from 0 on
    "answered_at": INSTANT,
    "event_at": INSTANT,
    "request_id": pa.string(),
    "key": pa.string(),
    "release": pa.int64(),
    **ROUTING_COLUMNS,
    "batch_rows": pa.uint32(),  # of the graph's call
    **IMAGE_COLUMNS,
}
ANSWER, SHADOWS = (ANSWERED, FALLBACK), (SHADOW,)  # statuses: somebody was sent it; nobody was
# Folders named COLUMN=VALUE become columns to Polars, pyarrow and DuckDB, in the place of those in the files: a data set may have
# an `hour` of its own
DAY, HOUR = "answered_day", "answered_hour"
TAKEN = "sent_{}"  # a declared column that is called like one of these
ID = "{}__id"  # what the graph saw for a column: 0 unknown, 1 missing
DASHES, DIGITS = (8, 13, 18, 23), [i for i in range(36) if i not in (8, 13, 18, 23)]  # of a UUID as text
TYPES = {"string": pa.string(), "int": pa.int64(), "float": pa.float64(), "bool": pa.bool_()}
READERS: dict[str, Callable[[str], Any]] = {"int": whole_number, "bool": truth, "float": float}


@dataclass(frozen=True, kw_only=True)
class Kind:
    """What the rows of a segment are."""

    strings: tuple[tuple[str, str], ...]  # name and dtype of each column
    numbers: tuple[tuple[str, str], ...]
    ids: tuple[str, ...]
    outputs: tuple[str, ...]
    columns: Mapping[str, str]  # those that were not written as they came, and what was done with them
    caller_key: str  # what was done with the caller's keys

    @classmethod
    def of(cls, about: dict[str, Any]) -> "Kind":
        """Of a segment's header."""
        schema = about["schema"]
        columns = ([(c["name"], c["dtype"]) for c in schema[kind]] for kind in ("categorical", "numeric"))
        strings, numbers = map(tuple, columns)
        names = {"ids": tuple(schema["ids"]), "outputs": tuple(schema["outputs"])}
        return cls(
            strings=strings, numbers=numbers, **names, columns=about.get("columns", {}), caller_key=about.get("caller_key", AS_IS)
        )

    @property
    def widths(self) -> Widths:
        return Widths(strings=len(self.strings), numbers=len(self.numbers), ids=len(self.ids), outputs=len(self.outputs))


def table_of(answers: Answers, kind: Kind, statuses: Sequence[int] = ANSWER) -> pa.Table:
    """The rows of requests with one of these statuses that are not erased, in the order in which they stand there: those that
    were answered by prediction id, then row.
    """
    requests_R = answers.requests_R
    request_N = np.repeat(np.arange(len(requests_R)), requests_R["rows"])
    row_N = np.arange(len(request_N)) - np.repeat(np.cumsum(requests_R["rows"]) - requests_R["rows"], requests_R["rows"])
    is_there_N = np.isin(requests_R["status"], statuses)[request_N]
    is_there_N[answers.erased] = False
    kept = np.flatnonzero(is_there_N)
    own = _own(answers, request_N[kept], row_N[kept], kept)
    outputs = {name: pa.array(answers.outputs_NO[kept, o]) for o, name in enumerate(kind.outputs)}
    taken = {*own, *outputs, DAY, HOUR}
    columns = dict(own) | outputs
    texts = texts_of(answers.text, answers.text_lengths_NC.ravel())
    is_empty_C = (answers.text_lengths_NC == 0).any(axis=0)
    for c, (name, dtype) in enumerate(kind.strings):
        values = texts.take(pa.array(kept * len(kind.strings) + c))
        typed = _typed(values, "string" if kind.columns.get(name) == KEYED_HASH else dtype, bool(is_empty_C[c]))
        columns[TAKEN.format(name) if name in taken else name] = typed
    for (name, dtype), values_N in zip(kind.numbers, _by_column(answers.numbers_NM, kept), strict=True):
        columns[TAKEN.format(name) if name in taken else name] = _number(values_N, dtype)
    for name, ids_N in zip(kind.ids, _by_column(answers.ids_NK.astype(np.uint32, copy=False), kept), strict=True):
        columns[ID.format(name)] = pa.nulls(len(ids_N), pa.uint32()) if name in kind.columns else pa.array(ids_N)
    return pa.table(columns)


def _by_column(values: np.ndarray, kept: np.ndarray) -> np.ndarray:
    """The kept rows, a column side by side."""
    return np.ascontiguousarray((values if len(kept) == len(values) else values[kept]).T)


def _own(answers: Answers, request_N: np.ndarray, row_N: np.ndarray, kept: np.ndarray) -> dict[str, pa.Array]:
    requests_R, frames = answers.requests_R, answers.frames
    frame_N = np.repeat(np.arange(len(frames)), frames["requests"])[request_N]
    of_request = pa.array(request_N)
    event_ns_N = answers.event_ns_R[request_N]
    request_ids = texts_of(answers.request_ids, requests_R["id_bytes"])
    return {
        "prediction_id": _spelled(requests_R["id"]).take(of_request),
        "row": pa.array(row_N.astype(np.uint32)),
        "answered_at": pa.array(frames["answered_ns"][frame_N]).view(INSTANT),
        "event_at": pa.array(event_ns_N, mask=event_ns_N == NOT_SENT).view(INSTANT),
        "request_id": _null_if_empty(request_ids).take(of_request),
        "key": keys_of(answers.keys, answers.key_lengths_N).take(pa.array(kept)),
        "release": pa.array(requests_R["release"][request_N].astype(np.int64)),
        **routing_columns(answers, request_N, frame_N),
        "batch_rows": pa.array(frames["graph_rows"][frame_N]),
        **image_columns(answers, kept),
    }


def _spelled(ids_R: np.ndarray) -> pa.Array:
    """UUIDs as text."""
    digits = np.frombuffer(ids_R.tobytes().hex().encode(), dtype=np.uint8).reshape(-1, 32)
    text = np.full((len(digits), 36), ord("-"), dtype=np.uint8)
    text[:, DIGITS] = digits
    return texts_of(text.tobytes(), np.full(len(digits), 36))


def _null_if_empty(values: pa.Array) -> pa.Array:
    return pc.if_else(pc.equal(pc.binary_length(values), 0), pa.scalar(None, pa.string()), values)


def _typed(texts: pa.Array, dtype: str, is_empty: bool) -> pa.Array:
    """Texts as the values that they mean; null where one is empty, or means nothing of the kind. `is_empty`: is one of them."""
    if dtype not in READERS:
        return _null_if_empty(texts) if is_empty else texts
    encoded = texts.dictionary_encode()
    distinct = pa.array([_meaning(READERS[dtype], text) for text in encoded.dictionary.to_pylist()], TYPES[dtype])
    return distinct.take(encoded.indices)


def _meaning(reader: Callable[[str], Any], text: str) -> Any:
    try:
        return reader(text)
    except (Misspelt, TooLarge, ValueError):
        return None


def _number(values_N: np.ndarray, dtype: str) -> pa.Array:
    missing_N = np.isnan(values_N)
    if dtype != "int":
        return pa.array(values_N.astype(np.float64), mask=missing_N)
    fits = ~missing_N & (np.abs(values_N) < 2.0**63) & (values_N == np.floor(values_N))
    return pa.array(np.where(fits, values_N, 0).astype(np.int64), mask=~fits)
