"""Batches as the graph was called with them, many side by side: out of a segment's records, or of its rows as Parquet.

Shape letters: B batches, R requests, N rows, C string columns, M number columns, K ids.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lifecycle.journal.answers import Answers
from lifecycle.journal.columns import DAY, HOUR, ID, OWN, TAKEN, Kind
from lifecycle.journal.routing_columns import has_routing
from serving.triton.journal.layout import ANSWERED, FALLBACK, HANDED_ON, SHADOW

ID_BYTES = 16
AS_IS = "as_is"  # how a column was written, if not otherwise


@dataclass(frozen=True, kw_only=True)
class Writing:
    """Who wrote a segment, and what it says of how the graph was run; None where it does not say."""

    release: int
    written_by: str | None = None  # native or python
    onnxruntime: str | None = None
    threads: int | None = None  # of a call
    graph: str | None = None  # sha-256 of its file
    processor: dict[str, str] | None = None
    columns: dict[str, str] = field(default_factory=dict)  # that were not written as they came, and what was done to them

    @classmethod
    def of(cls, about: dict[str, Any]) -> "Writing":
        """Of a segment's header."""
        told = {name: about.get(name) for name in ("written_by", "onnxruntime", "threads", "graph", "processor")}
        changed = {name: how for name, how in (about.get("columns") or {}).items() if how != AS_IS}
        return cls(release=int(about["release"]), columns=changed, **told)


@dataclass(frozen=True, kw_only=True)
class GraphBatches:
    """Batches of one segment. Rows of requests that were handed on are among the rows, where they are known."""

    source: str  # name of the file
    writing: Writing
    kind: Kind
    ends_B: np.ndarray  # int64: where each ends among the rows; it begins where the one before ends
    graph_rows_B: np.ndarray  # of the call; more than it has rows here if some are not known
    answered_ns_B: np.ndarray
    ids_N: np.ndarray  # V16: of the row's answer, zeros if it was handed on
    row_N: np.ndarray  # of the request
    status_N: np.ndarray  # of the row's request, as serving/triton/journal/layout.py has it
    text: bytes  # of all strings, row by row
    lengths_NC: np.ndarray  # int64, bytes
    numbers_NM: np.ndarray  # float32, as they came
    seen_NK: np.ndarray  # int64: the ids that the graph saw
    p_click_N: np.ndarray  # float32
    images: dict[int, str]  # row -> sha-256
    is_parquet: bool = False  # then the texts are those of the values that Parquet holds

    @property
    def is_computed_N(self) -> np.ndarray:
        """Is what the record says of a row meant as its answer, or as what an arm says of another one's."""
        return np.asarray(self.status_N != HANDED_ON)

    def rows_of(self, prediction_id: bytes, statuses: Sequence[int]) -> np.ndarray:
        """Places of the rows of an answer whose request has one of these statuses."""
        return np.flatnonzero((self.ids_N == np.void(prediction_id)) & np.isin(self.status_N, statuses))

    def __len__(self) -> int:
        return len(self.ends_B)

    def place(self, batch: int) -> slice:
        """The rows of a batch."""
        return slice(int(self.ends_B[batch - 1]) if batch else 0, int(self.ends_B[batch]))

    def batch_of(self, prediction_id: bytes) -> int | None:
        found = np.flatnonzero(self.ids_N == np.void(prediction_id))
        return int(np.searchsorted(self.ends_B, found[0], side="right")) if len(found) else None

    def strings(self, row: int) -> list[str]:
        """A row's texts as they came."""
        columns = self.lengths_NC.shape[1]
        lengths = self.lengths_NC[row].tolist()
        at, found = int(self.lengths_NC.ravel()[: row * columns].sum()), []
        for length in lengths:
            found.append(self.text[at : at + length].decode("utf-8", "replace"))
            at += length
        return found


def batches_of(answers: Answers, source: str, writing: Writing, kind: Kind) -> GraphBatches:
    """Records of a segment, one a batch."""
    requests_R, frames = answers.requests_R, answers.frames
    request_N = np.repeat(np.arange(len(requests_R)), requests_R["rows"])
    starts_R = np.cumsum(requests_R["rows"].astype(np.int64)) - requests_R["rows"]
    return GraphBatches(
        source=source,
        writing=writing,
        kind=kind,
        ends_B=np.cumsum(frames["rows"].astype(np.int64)),
        graph_rows_B=frames["graph_rows"].astype(np.int64),
        answered_ns_B=frames["answered_ns"],
        ids_N=requests_R["id"][request_N],
        row_N=np.arange(len(request_N)) - starts_R[request_N],
        status_N=requests_R["status"][request_N],
        text=answers.text,
        lengths_NC=answers.text_lengths_NC.astype(np.int64),
        numbers_NM=answers.numbers_NM,
        seen_NK=answers.ids_NK.astype(np.int64),
        p_click_N=answers.outputs_NO[:, 0],
        images={row: digest.hex() for row, digest in answers.images},
    )


def batches_of_rows(rows: pa.Table, source: str, writing: Writing, kind: Kind, is_shadow: bool = False) -> GraphBatches:
    """Rows of a Parquet file that `lifecycle.journal` made, as whole batches, in their order there. `is_shadow`: of `shadowed/`.

    Rows that were handed on are not in it, and of a text that was no value of its column's dtype there is nothing.
    """
    answered_ns_N = rows["answered_at"].combine_chunks().view(pa.int64()).to_numpy(zero_copy_only=False)
    last_N = np.append(np.diff(answered_ns_N) != 0, True)
    taken = {*OWN, *kind.outputs, DAY, HOUR}

    def column(name: str) -> pa.ChunkedArray:
        sent = TAKEN.format(name)  # a file from before the journal had a column of that name has the declared one under its own
        return rows[sent if name in taken and sent in rows.column_names else name]

    text, lengths_NC = _row_by_row([column(name) for name, _ in kind.strings], len(rows))
    numbers = [pc.fill_null(column(name).cast(pa.float64()), float("nan")).to_numpy() for name, _ in kind.numbers]
    digests = rows["image_sha256"].to_pylist() if rows["image_sha256"].null_count < len(rows) else []
    digits = "".join(rows["prediction_id"].to_pylist()).replace("-", "")
    seen = [rows[ID.format(name)].to_numpy() for name in kind.ids]
    return GraphBatches(
        source=source,
        writing=writing,
        kind=kind,
        ends_B=np.flatnonzero(last_N) + 1,
        graph_rows_B=rows["batch_rows"].to_numpy().astype(np.int64)[last_N],
        answered_ns_B=answered_ns_N[last_N],
        ids_N=np.frombuffer(bytes.fromhex(digits), dtype=f"V{ID_BYTES}"),
        row_N=rows["row"].to_numpy().astype(np.int64),
        status_N=np.full(len(rows), SHADOW) if is_shadow else _answered(rows),
        text=text,
        lengths_NC=lengths_NC,
        numbers_NM=np.stack(numbers, axis=1).astype(np.float32) if numbers else np.empty((len(rows), 0), dtype=np.float32),
        seen_NK=np.stack(seen, axis=1).astype(np.int64) if seen else np.empty((len(rows), 0), dtype=np.int64),
        p_click_N=rows[kind.outputs[0]].to_numpy().astype(np.float32),
        images={row: digest for row, digest in enumerate(digests) if digest is not None},
        is_parquet=True,
    )


def _answered(rows: pa.Table) -> np.ndarray:
    if not has_routing(rows.schema):
        return np.full(len(rows), ANSWERED)
    return np.where(rows["fallback"].to_numpy(), FALLBACK, ANSWERED)


def _row_by_row(columns: list[pa.ChunkedArray], num_rows: int) -> tuple[bytes, np.ndarray]:
    """Values as texts, row by row, and their lengths int64 [N, C]; "" where there is none."""
    if not columns:
        return b"", np.empty((num_rows, 0), dtype=np.int64)
    texts = [pc.fill_null(column.cast(pa.large_string()), "").combine_chunks() for column in columns]
    order = np.arange(num_rows * len(columns)).reshape(len(columns), num_rows).T.ravel()
    strings = pa.concat_arrays(texts).take(pa.array(order))
    _, offsets, content = strings.buffers()
    lengths = np.diff(np.frombuffer(offsets, dtype=np.int64)[: len(strings) + 1])
    text = b"" if content is None else content.to_pybytes()[: int(lengths.sum())]
    return text, lengths.reshape(num_rows, len(columns))
