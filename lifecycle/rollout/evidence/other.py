"""What the other release says of rows that one of the two answered: its graph, run over the journal's rows.

Shape letters: N rows.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa

from lifecycle.journal.columns import TYPES, Kind
from lifecycle.replay.batches import Writing, batches_of_rows
from lifecycle.replay.release import NoRelease, Released
from lifecycle.replay.rerun import Rerun

CALL_ROWS = 1024


class OtherRelease:
    """One of the two releases. Without it in the store, or with columns that were not written, it says nothing: NaN."""

    def __init__(self, store: Path, number: int, journal: Path) -> None:
        try:
            self._released: Released | None = Released(store, number)
        except NoRelease:
            self._released = None
        self._number, self._journal = number, journal

    def probabilities(self, rows: pa.Table, about: Writing, kind: Kind) -> np.ndarray:
        """float64 [N]; NaN where it cannot be known. `rows` of one Parquet file, `about` and `kind` as it was written."""
        unknown_N = np.full(len(rows), np.nan)
        if self._released is None or not len(rows) or set(about.columns) & self._released.used:
            return unknown_N
        taken = _kind_of(self._released, kind)
        writing = Writing(release=self._number, written_by=about.written_by)
        batches = batches_of_rows(_with_columns(rows, taken), "", writing, taken)
        ends = np.append(np.arange(CALL_ROWS, len(rows), CALL_ROWS), len(rows))
        batches = replace(batches, ends_B=ends, graph_rows_B=np.diff(ends, prepend=0), answered_ns_B=np.zeros_like(ends))
        again = Rerun(self._released, self._journal, may_join=False).run(batches)
        return np.where(again.lacks_image_N, np.nan, again.p_click_N.astype(np.float64))


def _kind_of(released: Released, written: Kind) -> Kind:
    """The release's own columns; ids and outputs as they were written."""
    strings, numbers = (_columns(released.settings[name]) for name in ("categorical", "numeric"))
    return replace(written, strings=strings, numbers=numbers)


def _columns(settings: Sequence[dict[str, str]]) -> tuple[tuple[str, str], ...]:
    return tuple((column["name"], column["dtype"]) for column in settings)


def _with_columns(rows: pa.Table, kind: Kind) -> pa.Table:
    """With those columns as missing that a request for the one release does not have."""
    for name, dtype in (*kind.strings, *kind.numbers):
        if name not in rows.column_names and f"sent_{name}" not in rows.column_names:
            rows = rows.append_column(name, pa.nulls(len(rows), TYPES[dtype]))
    return rows
