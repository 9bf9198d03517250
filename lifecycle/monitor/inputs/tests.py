"""Windows held against the profile and against the windows before: effect, chance and p-value of each cell at each look.

Shape letters: U units, T looks, C cells.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import polars as pl

from contracts.lifecycle.monitor import InputsConfig
from lifecycle.monitor.inputs.chance import intraclass, tails
from lifecycle.monitor.inputs.counting import CLUSTERS
from lifecycle.monitor.inputs.panel import Counted, Panel
from lifecycle.monitor.inputs.plan import FIRST, MISSING, UNKNOWN, ColumnPlan
from lifecycle.monitor.inputs.windows import Spans, summed

SHARES, FUNCTION, OFFSET, HEAD = "shares", "function", "offset", "head"
FIXED = 0.01  # pairs that may disagree where a column is a function of the user or the creative
FEWEST_PAIRS = 1000
ON_TIME = 0.8  # share of rows by which a column is taken for the hour or the weekday of the answer


@dataclass(frozen=True, kw_only=True)
class Tests:
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


def column_tests(panel: Panel, column: ColumnPlan, spans: list[Spans], config: InputsConfig, least: float) -> Iterator[Tests]:
    """All tests of a column; of cells whose effect is below `least` only the number."""
    counted = panel.columns[column.name]
    base_UC = _base_counts(counted, column)
    clock = clock_of(panel, column, base_UC)
    alike = _alike(counted)
    own_C, by_hour = _own_variance(panel, column, alike), _by_hour(panel, base_UC)
    for one in spans:
        if not one.is_there_T.any():
            continue
        share_TC, rows_T = _shares(base_UC, one.start_T, one.end_T, column)
        clustered_TC = _clustered(panel, column, base_UC, alike, one.start_T, one.end_T)
        for cells, expected_TC, other_TC in _references(
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


def _base_counts(counted: Counted, column: ColumnPlan) -> np.ndarray:
    base = column.base_of()
    base_UC = np.zeros((len(counted.count_UC), column.num_base), dtype=np.int64)
    np.add.at(base_UC.T, base, counted.count_UC.T)
    if column.role == "image":  # rows whose image was not looked at say nothing
        base_UC[:, MISSING] = 0
    return base_UC


def _from_edge(share_TC: np.ndarray, column: ColumnPlan) -> np.ndarray:
    """Shares of values from an edge on, where the column is looked at by these."""
    if column.is_summed:
        share_TC = share_TC.copy()
        share_TC[..., FIRST:] = share_TC[..., : FIRST - 1 : -1].cumsum(axis=-1)[..., ::-1]
    return share_TC


def _shares(base_UC: np.ndarray, start_T: np.ndarray, end_T: np.ndarray, column: ColumnPlan) -> tuple[np.ndarray, np.ndarray]:
    count_TC = summed(base_UC, start_T, end_T).astype(np.float64)
    rows_T = count_TC.sum(axis=1)
    return _from_edge(count_TC / np.maximum(rows_T, 1)[:, None], column), rows_T


def _alike(counted: Counted) -> dict[str, np.ndarray]:
    """Of each kind of cluster, how alike its rows are in each cell, over all there is."""
    return {
        name: intraclass(counted.agree_C[name], counted.apart_C[name], float(counted.pairs_U[name].sum())) for name in CLUSTERS
    }


def _clustered(
    panel: Panel, column: ColumnPlan, base_UC: np.ndarray, alike: dict[str, np.ndarray], start_T: np.ndarray, end_T: np.ndarray
) -> np.ndarray:
    """What clusters add to 1 / rows: chance that two rows have the same, times how alike such rows are in each cell.

    That chance is the window's own, but at least that of all there is.
    """
    counted, total = panel.columns[column.name], np.zeros((len(start_T), base_UC.shape[1]))
    rows_U = base_UC.sum(axis=1)
    for name in CLUSTERS:
        all_U = rows_U * (rows_U - 1) if column.role == "image" else panel.of_all_U[name]
        pairs_U = counted.pairs_U[name]
        own_T = summed(pairs_U, start_T, end_T) / np.maximum(summed(all_U, start_T, end_T), 1)
        same_T = np.maximum(own_T, pairs_U.sum() / max(all_U.sum(), 1))
        total += same_T[:, None] * alike[name][None]
    return total


def _own_variance(panel: Panel, column: ColumnPlan, alike: dict[str, np.ndarray]) -> np.ndarray:
    """Of the profile: its rows, users and creatives, and its daily shares beyond sampling, in units of p (1 - p)."""
    day_sd = column.facts.get("day_sd") or 0.0
    largest = max([*(column.shares or ()), column.missing or 0.0])
    daily = day_sd**2 / max(largest * (1 - largest), 1e-6)
    users = alike["entity"] / (panel.plan.entities or panel.plan.rows)
    same = panel.pairs_U["creative"].sum() / max(panel.of_all_U["creative"].sum(), 1)
    return 1 / panel.plan.rows + users + alike["creative"] * same + daily


Reference = tuple[np.ndarray, np.ndarray, np.ndarray]  # cells that are held against it, expected_TC, variance_TC


def _references(
    panel: Panel, column: ColumnPlan, base_UC: np.ndarray, spans: Spans, config: InputsConfig,
    alike: dict[str, np.ndarray], own_C: np.ndarray, is_clock: bool, by_hour: np.ndarray,
) -> Iterator[Reference]:  # fmt: skip
    """Which cells are held against what. The variance is in units of p (1 - p), infinite where there is no reference."""
    values = [] if is_clock or column.is_id else list(range(FIRST + column.is_summed, column.num_base))
    whole_T = np.where(spans.days_T > 0, 0.0, np.inf)  # the profile knows no hours: parts of a day are not held against it
    if column.shares is not None:
        expected_C = _from_edge(np.array([column.unknown or 0.0, column.missing or 0.0, *column.shares]), column)
        expected_TC = np.broadcast_to(expected_C, (len(spans.end_T), len(expected_C)))
        own_TC = np.broadcast_to(own_C, expected_TC.shape)
        sharp = ([MISSING] if column.role != "image" else []) + ([UNKNOWN] if column.is_closed else [])
        if sharp:
            yield np.array(sharp), expected_TC, own_TC
        if values and spans.days_T.any():
            yield np.array(values), expected_TC, own_TC + whole_T[:, None]
    is_open = column.role == "entity" or (column.kind == "categorical" and not column.is_id and not column.is_closed)
    cells = ([UNKNOWN] if is_open else []) + values
    if cells:
        expected_TC, variance_TC = _before(panel, column, base_UC, spans, config, by_hour)
        clustered_TC = _clustered(panel, column, base_UC, alike, np.zeros_like(spans.start_T), spans.start_T)
        daily = own_C - 1 / panel.plan.rows if column.shares is not None and column.role != "image" else 0.0
        yield np.array(cells), expected_TC, variance_TC + np.maximum(clustered_TC, daily)


WEEK = 7
SHRINK_ROWS = 200.0  # of an hour's shares towards those of all hours


def _before(
    panel: Panel, column: ColumnPlan, base_UC: np.ndarray, spans: Spans, config: InputsConfig, by_hour: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Shares of the windows before, of the same hours of the day as the window's where there is a week of them.

    `by_hour` [24, U + 1, C] has sums of the units before each, of one hour of the day.
    """
    earliest_T = panel.hour_U[spans.end_T - 1] - 24 * config.history_days
    first_T = np.minimum(np.searchsorted(panel.hour_U, earliest_T, side="left"), spans.start_T)
    all_TC, all_T = _shares(base_UC, first_T, spans.start_T, column)
    days_T = (panel.hour_U[np.maximum(spans.start_T - 1, 0)] - panel.hour_U[first_T] + 1) / 24
    by_hour_T = days_T >= WEEK
    before_HTC = (by_hour[:, spans.start_T] - by_hour[:, first_T]).astype(np.float64)
    before_HT = before_HTC.sum(axis=2)
    now_HT = (by_hour[:, spans.end_T] - by_hour[:, spans.start_T]).sum(axis=2)
    weight_HT = now_HT / np.maximum(now_HT.sum(axis=0), 1)
    smoothed_HT = weight_HT / (before_HT + SHRINK_ROWS)
    plain_TC = summed(base_UC, first_T, spans.start_T) / np.maximum(all_T, 1)[:, None]
    expected_TC = np.einsum("ht,htc->tc", smoothed_HT, before_HTC) + SHRINK_ROWS * smoothed_HT.sum(axis=0)[:, None] * plain_TC
    variance_T = (weight_HT * smoothed_HT).sum(axis=0)
    plain_T = np.where(spans.days_T > 0, 1 / np.maximum(all_T, 1), np.inf)
    variance_T = np.where(by_hour_T, variance_T, plain_T)
    variance_T = np.where(all_T >= config.history_rows, variance_T, np.inf)
    return np.where(by_hour_T[:, None], _from_edge(expected_TC, column), all_TC), variance_T[:, None]


def _by_hour(panel: Panel, base_UC: np.ndarray) -> np.ndarray:
    hour_U = panel.hour_U % 24
    sums = np.zeros((24, len(base_UC) + 1, base_UC.shape[1]), dtype=np.int32)
    for hour in range(24):
        np.cumsum(np.where((hour_U == hour)[:, None], base_UC, 0), axis=0, out=sums[hour, 1:], dtype=np.int32)
    return sums


def _given(
    column: str, test: str, spans: Spans, cells: np.ndarray, share_TC: np.ndarray, expected_TC: np.ndarray, size_TC: np.ndarray,
    valid_T: np.ndarray, least: float,
) -> Tests:  # fmt: skip
    more = share_TC[:, cells] - expected_TC[:, cells]
    effect = np.abs(more) if test == SHARES else more
    look, place = np.nonzero((effect >= least) & valid_T[:, None])
    cell = cells[place]
    share, expected, size = share_TC[look, cell], expected_TC[look, cell], np.broadcast_to(size_TC, share_TC.shape)[look, cell]
    return Tests(
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


def _offsets(column: ColumnPlan, spans: Spans, panel: Panel, base_UC: np.ndarray, ahead_UC: np.ndarray, least: float) -> Tests:
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


def _functions(panel: Panel, counted: Counted, column: ColumnPlan, spans: Spans, least: float) -> Iterator[Tests]:
    """Rows of one user or creative that disagree in what was the same for all of its rows before; the cell is the cluster.

    Of pairs in which one row in q is wrong about 2 q disagree.
    """
    share_T1, expected_T1, size_T1, valid_T1 = [], [], [], []
    for name in CLUSTERS:
        pairs_T, same_T = (summed(values, spans.start_T, spans.end_T) for values in (counted.pairs_U[name], counted.same_U[name]))
        before_T, agreed_T = (
            summed(values, np.zeros_like(spans.start_T), spans.start_T)
            for values in (counted.pairs_U[name], counted.same_U[name])
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


def _heads(panel: Panel, counted: Counted, column: ColumnPlan, spans: Spans, variance_T: np.ndarray, least: float) -> Tests:
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
