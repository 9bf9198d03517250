"""Windows held against the profile and against the windows before: effect, chance and p-value of each cell at each look.

Shape letters: U units, T looks, C cells.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import polars as pl

from contracts.lifecycle.monitor import InputsConfig
from lifecycle.monitor.counts.frames import CLUSTERS
from lifecycle.monitor.counts.panel import Counted, Panel
from lifecycle.monitor.counts.plan import ColumnPlan
from lifecycle.monitor.inputs.chance import tails
from lifecycle.monitor.inputs.references import alike_of, base_counts, by_hour_of, clustered, own_variance, references, shares_of
from lifecycle.monitor.inputs.windows import Spans, summed

SHARES, FUNCTION, OFFSET, HEAD = "shares", "function", "offset", "head"
FIXED = 0.01  # pairs that may disagree where a column is a function of the user or the creative
FEWEST_PAIRS = 1000
ON_TIME = 0.8  # share of rows by which a column is taken for the hour or the weekday of the answer


@dataclass(frozen=True, kw_only=True)
class CellTests:
    """One test of one column in one kind of window: `tests` hypotheses at each look, and those of them with a material effect."""

    column: str
    test: str
    spans: Spans
    tests: int
    look: np.ndarray  # of each that is given: the look
    cell: np.ndarray
    share: np.ndarray
    expected: np.ndarray
    size: np.ndarray  # effective
    p_value: np.ndarray


def column_tests(panel: Panel, column: ColumnPlan, spans: list[Spans], config: InputsConfig, least: float) -> Iterator[CellTests]:
    """All tests of a column; of cells whose effect is below `least` only the number."""
    counted = panel.columns[column.name]
    base_UC = base_counts(counted, column)
    clock = clock_of(panel, column, base_UC)
    alike = alike_of(counted)
    own_C, by_hour = own_variance(panel, column, alike), by_hour_of(panel, base_UC)
    for one in spans:
        if not one.is_there_T.any():
            continue
        share_TC, rows_T = shares_of(base_UC, one.start_T, one.end_T, column)
        clustered_TC = clustered(panel, column, base_UC, alike, one.start_T, one.end_T)
        for cells, expected_TC, other_TC in references(
            panel, column, base_UC, one, config, alike, own_C, clock is not None, by_hour
        ):
            size_TC = 1 / (1 / np.maximum(rows_T, 1)[:, None] + clustered_TC + other_TC)
            valid_T = one.is_there_T & (rows_T > 0) & np.isfinite(other_TC).all(axis=1)
            yield _given(column.name, SHARES, one, cells, share_TC, expected_TC, size_TC, valid_T, least)
        if clock is not None:
            yield _offsets(column, one, panel, base_UC, clock, least)
        if counted.same_U[CLUSTERS[0]].any() or counted.same_U[CLUSTERS[1]].any():
            yield from _functions(panel, counted, column, one, least)
        if column.kind == "categorical" and len(counted.often):
            yield _heads(panel, counted, column, one, clustered_TC.max(axis=1) + own_C.max(), least)


def _given(
    column: str, test: str, spans: Spans, cells: np.ndarray, share_TC: np.ndarray, expected_TC: np.ndarray, size_TC: np.ndarray,
    valid_T: np.ndarray, least: float,
) -> CellTests:  # fmt: skip
    more = share_TC[:, cells] - expected_TC[:, cells]
    effect = np.abs(more) if test == SHARES else more
    look, place = np.nonzero((effect >= least) & valid_T[:, None])
    cell = cells[place]
    share, expected, size = share_TC[look, cell], expected_TC[look, cell], np.broadcast_to(size_TC, share_TC.shape)[look, cell]
    return CellTests(
        column=column, test=test, spans=spans, tests=len(cells), look=look, cell=cell, share=share, expected=expected, size=size,
        p_value=tails(share, expected, size),
    )  # fmt: skip


def clock_of(panel: Panel, column: ColumnPlan, base_UC: np.ndarray) -> np.ndarray | None:
    """For each unit and cell how many hours or days the value is ahead of the answer; None if the column tells no time.

    Cells that are no hour or weekday have -1.
    """
    numbers = [int(value) if value.isdecimal() else None for value in column.values]
    if column.kind != "categorical" or len(numbers) < 7 or any(number is None or number > 24 for number in numbers):
        return None
    value_C = np.array([-1, -1, *[number if number is not None else -1 for number in numbers], -1])
    weekday_U = (panel.hour_U // 24 + 3) % 7 + 1  # 1 January 1970 was a Thursday
    for size, now_U in ((24, panel.hour_U % 24), (7, weekday_U)):
        if len(numbers) > size:
            continue
        ahead_UC = np.where(value_C[None] >= 0, (value_C[None] - now_U[:, None]) % size, -1)
        rows_A = np.bincount(ahead_UC.ravel() + 1, base_UC.ravel(), minlength=size + 1)[1:]
        if rows_A.max() >= ON_TIME * max(base_UC.sum(), 1):
            return np.where(ahead_UC >= 0, (ahead_UC - int(rows_A.argmax())) % size, -1)
    return None


def _offsets(
    column: ColumnPlan, spans: Spans, panel: Panel, base_UC: np.ndarray, ahead_UC: np.ndarray, least: float
) -> CellTests:
    """Rows that are some hours or days off; a cell is the offset."""
    size = int(ahead_UC.max()) + 1
    rows_UA = np.stack([np.where(ahead_UC == ahead, base_UC, 0).sum(axis=1) for ahead in range(size)], axis=1)
    rows_T = summed(base_UC, spans.start_T, spans.end_T).sum(axis=1)
    share_TA = summed(rows_UA, spans.start_T, spans.end_T) / np.maximum(rows_T, 1)[:, None]
    expected_TA = np.zeros_like(share_TA)
    return _given(
        column.name,
        OFFSET,
        spans,
        np.arange(1, size),
        share_TA,
        expected_TA,
        rows_T.astype(float)[:, None],
        spans.is_there_T,
        least,
    )


def _functions(panel: Panel, counted: Counted, column: ColumnPlan, spans: Spans, least: float) -> Iterator[CellTests]:
    """Rows of one user or creative that disagree in what was the same for all of its rows before; the cell is the cluster.

    Of pairs in which one row in q is wrong about 2 q disagree.
    """
    share_T1, expected_T1, size_T1, valid_T1 = [], [], [], []
    for name in CLUSTERS:
        pairs_T, same_T = (summed(values, spans.start_T, spans.end_T) for values in (counted.asked_U[name], counted.same_U[name]))
        before_T, agreed_T = (
            summed(values, np.zeros_like(spans.start_T), spans.start_T)
            for values in (counted.asked_U[name], counted.same_U[name])
        )
        is_known = name == "creative" and bool(column.facts.get("by_creative"))
        fixed_T = (before_T >= FEWEST_PAIRS) & (before_T - agreed_T <= FIXED * before_T)
        is_own = column.source == getattr(panel.plan, name)
        valid_T1.append(spans.is_there_T & (fixed_T | is_known) & (pairs_T > 0) & (not is_own))
        share_T1.append((1 - same_T / np.maximum(pairs_T, 1)) / 2)
        expected_T1.append(np.where(before_T > 0, (1 - agreed_T / np.maximum(before_T, 1)) / 2, 0.0))
        size_T1.append(np.minimum(pairs_T / 2, summed(panel.rows_U, spans.start_T, spans.end_T)) / 2)
    for place in range(len(CLUSTERS)):
        share_TC, expected_TC = np.stack(share_T1, axis=1), np.stack(expected_T1, axis=1)
        yield _given(
            column.name,
            FUNCTION,
            spans,
            np.array([place]),
            share_TC,
            expected_TC,
            np.maximum(size_T1[place], 1.0)[:, None],
            valid_T1[place],
            least,
        )


def _heads(panel: Panel, counted: Counted, column: ColumnPlan, spans: Spans, variance_T: np.ndarray, least: float) -> CellTests:
    """Single values among those without a cell of their own; the cell is the place in `head_keys`."""
    keys = head_keys(counted)
    place = counted.often["key"].replace_strict(keys, list(range(len(keys))), return_dtype=pl.Int64).to_numpy()
    count_UK = np.zeros((len(panel.rows_U), len(keys)), dtype=np.int64)
    np.add.at(count_UK, (counted.often["unit"].to_numpy(), place), counted.often["n"].to_numpy())
    rows_T = summed(panel.rows_U, spans.start_T, spans.end_T)
    share_TK = summed(count_UK, spans.start_T, spans.end_T) / np.maximum(rows_T, 1)[:, None]
    most = float(column.facts.get("head_share") or 0.0) / HEAD_VALUES  # of the most frequent ones, in the mean
    if column.values and not column.is_id:
        most = min(*(column.shares or (1.0,)), most)
    size_T = 1 / (1 / np.maximum(rows_T, 1) + variance_T)
    cells = np.arange(len(keys))
    return _given(
        column.name, HEAD, spans, cells, share_TK, np.full_like(share_TK, most), size_T[:, None], spans.is_there_T, least
    )


HEAD_VALUES = 10


def head_keys(counted: Counted) -> list[str]:
    """Values that came often in some unit, and have no cell of their own."""
    return counted.often["key"].unique().sort().to_list()
