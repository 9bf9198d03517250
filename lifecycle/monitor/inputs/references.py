"""What windows are held against: the profile's shares, and those of the windows before; with what chance gives to either.

Shape letters: U units, T looks, C cells, H hours of the day.
"""

from collections.abc import Iterator

import numpy as np

from contracts.lifecycle.monitor import InputsConfig
from lifecycle.monitor.counts.frames import CLUSTERS, GROUPS, REQUEST
from lifecycle.monitor.counts.panel import Counted, Panel
from lifecycle.monitor.counts.plan import FIRST, MISSING, UNKNOWN, ColumnPlan
from lifecycle.monitor.inputs.chance import intraclass
from lifecycle.monitor.inputs.windows import Spans, summed

USER = CLUSTERS[0]


def base_counts(counted: Counted, column: ColumnPlan) -> np.ndarray:
    base = column.base_of()
    base_UC = np.zeros((len(counted.count_UC), column.num_base), dtype=np.int64)
    np.add.at(base_UC.T, base, counted.count_UC.T)
    if column.role == "image":  # rows whose image was not looked at say nothing
        base_UC[:, MISSING] = 0
    return base_UC


def from_edge(share_TC: np.ndarray, column: ColumnPlan) -> np.ndarray:
    """Shares of values from an edge on, where the column is looked at by these."""
    if column.is_summed:
        share_TC = share_TC.copy()
        share_TC[..., FIRST:] = share_TC[..., : FIRST - 1 : -1].cumsum(axis=-1)[..., ::-1]
    return share_TC


def shares_of(base_UC: np.ndarray, start_T: np.ndarray, end_T: np.ndarray, column: ColumnPlan) -> tuple[np.ndarray, np.ndarray]:
    count_TC = summed(base_UC, start_T, end_T).astype(np.float64)
    rows_T = count_TC.sum(axis=1)
    return from_edge(count_TC / np.maximum(rows_T, 1)[:, None], column), rows_T


def alike_of(counted: Counted) -> dict[str, np.ndarray]:
    """Of each kind of cluster, how alike its rows are in each cell, over all there is; of a user, rows of different requests."""
    agree, apart = dict(counted.agree_C), dict(counted.apart_C)
    pairs = {name: float(pairs_U.sum()) for name, pairs_U in counted.pairs_U.items()}
    agree[USER], apart[USER] = agree[USER] - agree[REQUEST], apart[USER] - apart[REQUEST]
    pairs[USER] -= pairs[REQUEST]
    return {name: intraclass(np.maximum(agree[name], 0), np.maximum(apart[name], 0), pairs[name]) for name in GROUPS}


def same_of(
    panel: Panel, column: ColumnPlan, rows_U: np.ndarray, start_T: np.ndarray, end_T: np.ndarray
) -> dict[str, np.ndarray]:
    """Of each kind of cluster, the chance that two rows of a window have the same: its own, but at least that of all there is.

    A request is not seen again: its pairs are counted, and the more rows a window has the rarer they are. A user or a creative
    is, so two rows of different hours have the same as often as two of one hour.
    """
    found, pairs = {}, panel.columns[column.name].pairs_U
    for name in CLUSTERS:
        all_U = rows_U * (rows_U - 1) if column.role == "image" else panel.of_all_U[name]
        pairs_U = pairs[name]
        if name == USER:
            pairs_U, all_U = pairs_U - pairs[REQUEST], np.maximum(all_U - pairs[REQUEST], 0)
        own_T = summed(pairs_U, start_T, end_T) / np.maximum(summed(all_U, start_T, end_T), 1)
        found[name] = np.maximum(own_T, pairs_U.sum() / max(all_U.sum(), 1))
    rows_T = summed(rows_U, start_T, end_T).astype(float)
    usual_T = rows_T * pairs[REQUEST].sum() / max(rows_U.sum(), 1)
    found[REQUEST] = np.maximum(summed(pairs[REQUEST], start_T, end_T), usual_T) / np.maximum(rows_T * (rows_T - 1), 1)
    return found


def clustered(
    panel: Panel, column: ColumnPlan, base_UC: np.ndarray, alike: dict[str, np.ndarray], start_T: np.ndarray, end_T: np.ndarray
) -> np.ndarray:
    """What clusters add to 1 / rows: chance that two rows have the same, times how alike such rows are in each cell."""
    total = np.zeros((len(start_T), base_UC.shape[1]))
    for name, same_T in same_of(panel, column, base_UC.sum(axis=1), start_T, end_T).items():
        total += same_T[:, None] * alike[name][None]
    return total


def own_variance(panel: Panel, column: ColumnPlan, alike: dict[str, np.ndarray]) -> np.ndarray:
    """Of the profile: its rows, users and creatives, and its daily shares beyond sampling, in units of p (1 - p)."""
    day_sd = column.facts.get("day_sd") or 0.0
    largest = max([*(column.shares or ()), column.missing or 0.0])
    daily = day_sd**2 / max(largest * (1 - largest), 1e-6)
    daily_C = np.full(column.num_base, daily)
    for cell, share in ((UNKNOWN, column.unknown), (MISSING, column.missing)):
        if (share or 0.0) < SHARP:
            daily_C[cell] = 0.0
    users = alike[USER] / (panel.plan.entities or panel.plan.rows)
    requests = alike[REQUEST] * panel.pairs_U[REQUEST].sum() / max(panel.rows_U.sum(), 1) / panel.plan.rows
    same = panel.pairs_U["creative"].sum() / max(panel.of_all_U["creative"].sum(), 1)
    return 1 / panel.plan.rows + users + requests + alike["creative"] * same + daily_C


SHARP = 0.001  # share in training below which what is missing, or unknown, does not follow what changes from day to day

Reference = tuple[np.ndarray, np.ndarray, np.ndarray]  # cells that are held against it, expected_TC, variance_TC


def references(
    panel: Panel, column: ColumnPlan, base_UC: np.ndarray, spans: Spans, config: InputsConfig,
    alike: dict[str, np.ndarray], own_C: np.ndarray, is_clock: bool, by_hour: np.ndarray,
) -> Iterator[Reference]:  # fmt: skip
    """Which cells are held against what. The variance is in units of p (1 - p), infinite where there is no reference."""
    values = [] if is_clock or column.is_id else list(range(FIRST + column.is_summed, column.num_base))
    whole_T = np.where(spans.days_T > 0, 0.0, np.inf)  # the profile knows no hours: parts of a day are not held against it
    if column.shares is not None:
        expected_C = from_edge(np.array([column.unknown or 0.0, column.missing or 0.0, *column.shares]), column)
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
        clustered_TC = clustered(panel, column, base_UC, alike, np.zeros_like(spans.start_T), spans.start_T)
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
    all_TC, all_T = shares_of(base_UC, first_T, spans.start_T, column)
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
    return np.where(by_hour_T[:, None], from_edge(expected_TC, column), all_TC), variance_T[:, None]


def by_hour_of(panel: Panel, base_UC: np.ndarray) -> np.ndarray:
    hour_U = panel.hour_U % 24
    sums = np.zeros((24, len(base_UC) + 1, base_UC.shape[1]), dtype=np.int32)
    for hour in range(24):
        np.cumsum(np.where((hour_U == hour)[:, None], base_UC, 0), axis=0, out=sums[hour, 1:], dtype=np.int32)
    return sums
