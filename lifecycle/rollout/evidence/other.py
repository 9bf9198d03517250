"""What the other release says of rows that one of the two answered: its graph, run over the journal's rows.

Shape letters: N rows.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from lifecycle.journal.columns import ID, TAKEN, TYPES, Kind
from lifecycle.journal.routing_columns import ROUTING_COLUMNS
from lifecycle.replay.batches import GraphBatches, Writing, batches_of_rows
from lifecycle.replay.find import kept_about
from lifecycle.replay.release import NoRelease, Released
from lifecycle.replay.rerun import CALL_ROWS, UNKNOWN_ID, Again, Rerun

OWN = ("prediction_id", "row", "answered_at", "batch_rows", "image_sha256", *ROUTING_COLUMNS)  # of the journal


class OtherRelease:
    """One of the two releases. Without it in the store, or with columns that were not written, it says nothing: NaN."""

    def __init__(self, store: Path, number: int, journal: Path) -> None:
        try:
            self._released: Released | None = Released(store, number)
        except NoRelease:
            self._released = None
        self._number, self._journal = number, journal

    def probabilities(self, path: Path, place_N: np.ndarray) -> np.ndarray:
        """float64 [N] of these rows of a file of `served/`; NaN where it cannot be known."""
        unknown_N = np.full(len(place_N), np.nan)
        if self._released is None or not len(place_N):
            return unknown_N
        about = kept_about(self._journal, path.stem)
        hidden = set(Writing.of(about).columns) if about else set()
        if hidden & self._released.used:
            return unknown_N
        return self._computed(self._released, _taken(path, place_N, _kind(self._released)), about.get("written_by"))

    def _computed(self, released: Released, rows: pa.Table, written_by: str | None) -> np.ndarray:
        """Without images first: the graph looks at one only where the release does not know the creative."""
        batches = _joined(rows, Writing(release=self._number, written_by=written_by), _kind(released))
        plain = self._run(released, replace(batches, images={}))
        p_click_N = plain.p_click_N.astype(np.float64)
        if released.no_image_1E is None or not batches.images:
            return p_click_N
        unknown = np.flatnonzero(plain.seen_NK[:, -1] == UNKNOWN_ID)
        looked = np.array([row for row in unknown.tolist() if row in batches.images], dtype=np.int64)
        if len(looked):
            p_click_N[looked] = self._seen(released, _joined(rows.take(pa.array(looked)), batches.writing, batches.kind))
        return p_click_N

    def _seen(self, released: Released, batches: GraphBatches) -> np.ndarray:
        """With their images; NaN where one is not kept, or nothing is there to look at it."""
        try:
            found = self._run(released, batches)
        except NoRelease:
            return np.full(len(batches.p_click_N), np.nan)
        return np.where(found.lacks_image_N, np.nan, found.p_click_N)

    def _run(self, released: Released, batches: GraphBatches) -> Again:
        return Rerun(released, self._journal, may_join=False).run(batches)


def _kind(released: Released) -> Kind:
    return Kind.of({"schema": released.settings["journal"]})


def _taken(path: Path, place_N: np.ndarray, kind: Kind) -> pa.Table:
    """Those rows, with the columns that the release takes: one that the file lacks is missing in all rows, and no id is known."""
    file = pq.ParquetFile(path)
    names, declared = file.schema_arrow.names, (*kind.strings, *kind.numbers)
    wanted = [name for name, _ in declared] + [TAKEN.format(name) for name, _ in declared]
    rows = file.read(columns=[name for name in (*OWN, *kind.outputs, *wanted) if name in names]).take(pa.array(place_N))
    for name, dtype in declared:
        if name not in names and TAKEN.format(name) not in names:
            rows = rows.append_column(name, pa.nulls(len(rows), TYPES[dtype]))
    for name in kind.ids:
        rows = rows.append_column(ID.format(name), pa.array(np.full(len(rows), UNKNOWN_ID, dtype=np.uint32)))
    return _with_outputs(rows, kind.outputs)


def _with_outputs(rows: pa.Table, outputs: Sequence[str]) -> pa.Table:
    """Of what was answered nothing is looked at."""
    for name in (name for name in outputs if name not in rows.column_names):
        rows = rows.append_column(name, pa.array(np.full(len(rows), np.nan, dtype=np.float32)))
    return rows


def _joined(rows: pa.Table, writing: Writing, kind: Kind) -> GraphBatches:
    """The rows in calls of CALL_ROWS."""
    ends_B = np.append(np.arange(CALL_ROWS, len(rows), CALL_ROWS), len(rows))
    batches, sizes_B = batches_of_rows(rows, "", writing, kind), np.diff(ends_B, prepend=0)
    return replace(batches, ends_B=ends_B, graph_rows_B=sizes_B, answered_ns_B=np.zeros_like(ends_B))
