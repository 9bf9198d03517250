"""Rows of the journal as counts: of each unit of time, how many rows are in which cell of which column.

Beside them pairs of rows of the same user, or of the same creative, and how many of these agree: from that follows how much
less a row tells than an independent one. Shape letters: N rows, U units, C cells.
"""

import hashlib
from dataclasses import dataclass

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from lifecycle.monitor.inputs.plan import BEYOND, FIRST, MISSING, PREDICTION, UNKNOWN, ColumnPlan, Plan

HOUR_NS = 3600 * 10**9
CLUSTERS = ("entity", "creative")
CELL, PAIRS, AGREE, APART, SAME, OFTEN, MINORITY = (
    "cell",
    "pairs",
    "agree",
    "apart",
    "same",
    "often",
    "minority",
)  # agree: in the cell; same: in the value
SUM, MILLION = "sum", 1_000_000  # of predictions, in millionths
FEWEST_OF_GROUP, MOST_ODD = 3, 0.2  # rows of a group in which one can differ; share of such rows beyond which it says nothing
TOP, LEAST_OFTEN, LEAST_SHARE = 3, 3, 0.01  # of the values without a cell of their own: so many, if they came so often


@dataclass(frozen=True, kw_only=True)
class Coded:
    """A column's rows."""

    cell_N: np.ndarray
    value_N: np.ndarray  # number of the value, or of the bucket
    values: list[str] | None  # their texts; None for buckets


def count_rows(rows: pl.DataFrame, plan: Plan, block_rows: int) -> pl.DataFrame:
    """Counts of rows of one release: columns `hour` (since 1970), `slot`, `column`, `what`, `key`, `n`."""
    at_N = rows.select(pl.coalesce("event_at", "answered_at").cast(pl.Int64)).to_series().to_numpy()
    unit_N, units = _units(at_N, block_rows)
    sources = dict(zip(CLUSTERS, (plan.entity, plan.creative), strict=True))
    clusters = {name: _dictionary(rows[column])[0] for name, column in sources.items() if column is not None}
    parts = [_frame("", CELL, "rows", np.arange(len(units)), np.bincount(unit_N, minlength=len(units)))]
    parts.append(_of_units("", SUM, PREDICTION, np.bincount(unit_N, rows["probability"].to_numpy() * MILLION).astype(np.int64)))
    sorted_by = {name: _members(unit_N, cluster_N) for name, cluster_N in clusters.items()}
    for name, members in sorted_by.items():
        parts.append(_of_units("", PAIRS, name, _pairs(members[1], members[2], None, len(units))))
        size_U = np.bincount(unit_N[clusters[name] >= 0], minlength=len(units))
        parts.append(_of_units("", PAIRS, f"{name} of all", size_U * (size_U - 1)))
    day_U, looked_at = _first_of_day(units), dict[str, Members]()
    for column in plan.columns:
        coded = coded_column(rows, column)
        count_UC = np.bincount(unit_N * column.num_cells + coded.cell_N, minlength=len(units) * column.num_cells)
        at = np.flatnonzero(count_UC)
        keys = pl.Series(at % column.num_cells).cast(pl.String)
        parts.append(_frame(column.name, CELL, keys, at // column.num_cells, count_UC[at]))
        if column.role == "image" and not looked_at:  # not every row has one; those that have one have all looks
            there_N = coded.cell_N != MISSING
            looked_at = {name: _members(unit_N, np.where(there_N, clusters[name], -1)) for name in sorted_by}
        for name, members in (looked_at if column.role == "image" else sorted_by).items():
            parts += _likeness(column, name, coded, members, day_U)
        parts.append(_often(column, coded, unit_N, len(units)))
    counts = pl.concat(parts)
    hours, slots = units // SLOTS, units % SLOTS
    return counts.with_columns(
        hour=pl.Series(hours.astype(np.int32)).gather(counts["unit"]),
        slot=pl.Series(slots.astype(np.int32)).gather(counts["unit"]),
    ).select("hour", "slot", "column", "what", "key", "n")


SLOTS = 1 << 16


def _units(at_N: np.ndarray, block_rows: int) -> tuple[np.ndarray, np.ndarray]:
    """The unit of each row, and what each is: hour * SLOTS + block within it."""
    hour_N = at_N // HOUR_NS
    order = np.argsort(at_N, kind="stable")
    sorted_hour_N = hour_N[order]
    begins = np.flatnonzero(np.diff(sorted_hour_N, prepend=-1))
    place_N = np.arange(len(at_N)) - np.repeat(begins, np.diff(begins, append=len(at_N)))
    slot_N = np.empty(len(at_N), dtype=np.int64)
    slot_N[order] = np.minimum(place_N // block_rows, SLOTS - 1)
    units, unit_N = np.unique(hour_N * SLOTS + slot_N, return_inverse=True)
    return unit_N.astype(np.int64), units


def _dictionary(values: pl.Series) -> tuple[np.ndarray, list[str]]:
    """Codes of texts, -1 for null, and the texts."""
    encoded = pc.dictionary_encode(values.cast(pl.String).to_arrow())
    if isinstance(encoded, pa.ChunkedArray):
        encoded = encoded.combine_chunks()
    return encoded.indices.fill_null(-1).to_numpy().astype(np.int64), encoded.dictionary.to_pylist()


def coded_column(rows: pl.DataFrame, plan: ColumnPlan) -> Coded:
    """The cell and the value of each row."""
    ids = f"{plan.name}__id"
    unknown_N = (rows[ids].fill_null(1) == UNKNOWN).to_numpy() if ids in rows.columns else None
    if plan.direction is not None:
        return _numbers(_along(rows[plan.source], plan.direction), plan)
    if plan.kind == "numeric":
        return _numbers(rows[plan.source].cast(pl.Float64).fill_null(float("nan")).to_numpy(), plan)
    value_N, values = _dictionary(rows[plan.source])
    places = {value: FIRST + place for place, value in enumerate(plan.values)}
    other = plan.num_base - 1
    stray = other if plan.shares is None or plan.shares[-1] > 0 else UNKNOWN
    cell_V = np.array([MISSING if value == "" else places.get(value, stray) for value in values] + [MISSING], dtype=np.int64)
    cell_N = cell_V[value_N]
    if unknown_N is not None:
        cell_N = np.where(unknown_N, UNKNOWN, cell_N)
    return Coded(cell_N=cell_N, value_N=value_N + 1, values=["", *values])


def _along(embeddings: pl.Series, direction: int) -> np.ndarray:
    """Of each row the length of its embedding, or the cosine with a direction; NaN where there is none."""
    there = np.flatnonzero(embeddings.is_not_null().to_numpy())
    along_N = np.full(len(embeddings), np.nan)
    if not len(there):
        return along_N
    width = int(embeddings.list.len().drop_nulls().to_numpy().max())
    flat = embeddings.drop_nulls().explode().to_numpy().reshape(len(there), width).astype(np.float64)
    length_N = np.sqrt((flat**2).sum(axis=1))
    if direction >= 0:
        drawn = np.random.default_rng([width, direction]).standard_normal(width)
        along_N[there] = flat @ (drawn / np.sqrt((drawn**2).sum())) / np.maximum(length_N, 1e-12)
    else:
        along_N[there] = length_N
    return along_N


def _numbers(x_N: np.ndarray, plan: ColumnPlan) -> Coded:
    if plan.is_logit:
        with np.errstate(divide="ignore", invalid="ignore"):
            x_N = np.log(x_N / (1 - x_N))
    missing_N = np.isnan(x_N)
    edges = np.asarray(plan.edges, dtype=np.float64)
    base_N = FIRST + np.searchsorted(edges, x_N, side="right")
    cell_N = np.where(missing_N, MISSING, base_N)
    if len(edges):
        with np.errstate(divide="ignore", invalid="ignore"):
            if edges[-1] > 0:
                up_N = np.floor(np.log2(x_N / edges[-1]))
                cell_N = np.where(up_N >= 1, plan.num_base + np.minimum(up_N, BEYOND) - 1, cell_N)
            if edges[0] > 0:
                down_N = np.floor(np.log2(edges[0] / np.maximum(x_N, 1e-300)))
                cell_N = np.where(down_N >= 1, plan.num_base + BEYOND + np.minimum(down_N, BEYOND) - 1, cell_N)
    value_N = np.where(missing_N, MISSING, base_N)
    if plan.step:
        value_N = np.where(missing_N, 0, 1 + np.round(np.nan_to_num(x_N) / plan.step)).astype(np.int64)
    return Coded(cell_N=np.where(missing_N, MISSING, cell_N).astype(np.int64), value_N=value_N, values=None)


Members = tuple[np.ndarray, np.ndarray, np.ndarray]


def _members(unit_N: np.ndarray, cluster_N: np.ndarray) -> Members:
    """Rows that share a unit and a cluster with another: their places, the group of each, and the unit of each group."""
    there = np.flatnonzero(cluster_N >= 0)
    width = int(cluster_N.max(initial=0)) + 1
    key = unit_N[there] * width + cluster_N[there]
    order = np.argsort(key, kind="stable")
    begins = np.flatnonzero(np.diff(key[order], prepend=-1))
    size_G = np.diff(begins, append=len(key))
    several_G = size_G > 1
    kept = np.repeat(several_G, size_G)
    group = np.repeat(np.arange(several_G.sum()), size_G[several_G])
    return there[order][kept], group, key[order][begins[several_G]] // width


def _pairs(group_M: np.ndarray, unit_G: np.ndarray, value_M: np.ndarray | None, num_units: int) -> np.ndarray:
    """Of each unit, ordered pairs of different rows of one group (that have the same value)."""
    if value_M is None:
        size_G = np.bincount(group_M, minlength=len(unit_G))
        return np.bincount(unit_G, size_G * (size_G - 1), minlength=num_units).astype(np.int64)
    width = int(value_M.max(initial=0)) + 1
    key = np.sort(group_M * width + value_M)
    begins = np.flatnonzero(np.diff(key, prepend=-1))
    size_R = np.diff(begins, append=len(key))
    return np.bincount(unit_G[key[begins] // width], size_R * (size_R - 1), minlength=num_units).astype(np.int64)


def _likeness(column: ColumnPlan, name: str, coded: Coded, members: Members, day_U: np.ndarray) -> list[pl.DataFrame]:
    """What rows of one user, or of one creative, have in common in a column."""
    there, group_M, unit_G = members
    cell_M = column.base_of()[coded.cell_N[there]]
    found = _agreeing(column, name, members, cell_M, day_U)
    if column.role == "image":
        found.append(_of_units(column.name, PAIRS, name, _pairs(group_M, unit_G, None, len(day_U))))
    if coded.values is not None or column.step:
        found.append(_of_units(column.name, SAME, name, _pairs(group_M, unit_G, coded.value_N[there], len(day_U))))
        found.append(_minority(column, name, coded, members))
    return found


def _minority(column: ColumnPlan, name: str, coded: Coded, members: Members) -> pl.DataFrame:
    """Values of the few rows that differ from the others of their user or creative; of numbers, whether they are less or more."""
    group_M, unit_G, value_M = members[1], members[2], coded.value_N[members[0]]
    width = int(value_M.max(initial=0)) + 1
    key = np.sort(group_M * width + value_M)
    begins = np.flatnonzero(np.diff(key, prepend=-1))
    size_R, group_R, value_R = np.diff(begins, append=len(key)), key[begins] // width, key[begins] % width
    order = np.lexsort((size_R, group_R))
    last = np.flatnonzero(np.diff(group_R[order], append=-1))  # the largest run of each group
    usual_G, most_G = np.zeros(len(unit_G), np.int64), np.zeros(len(unit_G), np.int64)
    usual_G[group_R[order[last]]], most_G[group_R[order[last]]] = value_R[order[last]], size_R[order[last]]
    size_G = np.bincount(group_M, minlength=len(unit_G))
    clear_G = (size_G >= FEWEST_OF_GROUP) & (most_G * 3 >= size_G * 2)
    odd = np.flatnonzero(clear_G[group_R] & (value_R != usual_G[group_R]))
    if len(odd) == 0 or size_R[odd].sum() > MOST_ODD * size_G[clear_G].sum():
        return _frame("", MINORITY, "", np.zeros(0, np.int64), np.zeros(0, np.int64))
    value = value_R[odd] if coded.values is not None else (value_R[odd] > usual_G[group_R[odd]]).astype(np.int64)
    texts = coded.values or ["below", "above"]
    places, at = np.unique(unit_G[group_R[odd]] * len(texts) + value, return_inverse=True)
    rows = np.bincount(at, size_R[odd]).astype(np.int64)
    return _frame(column.name, MINORITY, [f"{name}:{texts[p % len(texts)]}" for p in places], places // len(texts), rows)


def _agreeing(column: ColumnPlan, name: str, members: Members, cell_M: np.ndarray, day_U: np.ndarray) -> list[pl.DataFrame]:
    """Pairs of rows of one group that are both in a cell, and those of which one alone is: of a day, with its first unit."""
    _, group_M, unit_G = members
    width, day_G = column.num_base, day_U[unit_G]
    if not len(unit_G):
        return []
    begins_D = np.flatnonzero(np.diff(day_G, prepend=-1))
    agree_DC, apart_DC = (np.zeros((len(begins_D), width), dtype=np.int64) for _ in range(2))
    size_G = np.bincount(group_M, minlength=len(unit_G))
    for start in range(0, len(unit_G), GROUPS):
        chosen = slice(*np.searchsorted(group_M, [start, start + GROUPS]))
        count_GC = np.bincount(
            (group_M[chosen] - start) * width + cell_M[chosen], minlength=min(GROUPS, len(unit_G) - start) * width
        )
        count_GC = count_GC.reshape(-1, width)
        if column.is_summed:
            count_GC[:, FIRST:] = count_GC[:, : FIRST - 1 : -1].cumsum(axis=1)[:, ::-1]
        rest_GC = size_G[start : start + GROUPS, None] - count_GC
        day_of = np.searchsorted(begins_D, np.arange(start, start + len(count_GC)), side="right") - 1
        np.add.at(agree_DC, day_of, count_GC * (count_GC - 1))
        np.add.at(apart_DC, day_of, count_GC * rest_GC)
    frames = []
    for what, pairs_DC in ((AGREE, agree_DC), (APART, apart_DC)):
        day, cell = np.nonzero(pairs_DC)
        frames.append(
            _frame(column.name, what, name + ":" + pl.Series(cell).cast(pl.String), day_G[begins_D[day]], pairs_DC[day, cell])
        )
    return frames


GROUPS = 1 << 14  # counted at once


def _first_of_day(units: np.ndarray) -> np.ndarray:
    days = units // SLOTS // 24
    return np.searchsorted(days, days)


def _often(column: ColumnPlan, coded: Coded, unit_N: np.ndarray, num_units: int) -> pl.DataFrame:
    """The most frequent values of each unit among those that have no cell of their own."""
    if coded.values is None:
        return _frame("", OFTEN, "", np.zeros(0, np.int64), np.zeros(0, np.int64))
    chosen = np.flatnonzero((coded.cell_N == UNKNOWN) | (coded.cell_N == column.num_base - 1))
    width = len(coded.values)
    key = np.sort(unit_N[chosen] * width + coded.value_N[chosen])
    begins = np.flatnonzero(np.diff(key, prepend=-1))
    size_R, unit_R, value_R = np.diff(begins, append=len(key)), key[begins] // width, key[begins] % width
    rows_U = np.bincount(unit_N, minlength=num_units)
    kept = np.flatnonzero((size_R >= LEAST_OFTEN) & (size_R >= LEAST_SHARE * rows_U[unit_R]))
    kept = kept[np.lexsort((value_R[kept], -size_R[kept], unit_R[kept]))]
    first = np.flatnonzero(np.diff(unit_R[kept], prepend=-1))
    rank = np.arange(len(kept)) - np.repeat(first, np.diff(first, append=len(kept)))
    kept = kept[rank < TOP]
    texts = [coded.values[value] for value in value_R[kept]]
    texts = [pseudonym(text) for text in texts] if column.role == "entity" else texts
    return _frame(column.name, OFTEN, texts, unit_R[kept], size_R[kept])


def pseudonym(text: str) -> str:
    """What stands for a user in the summaries."""
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def _of_units(column: str, what: str, key: str, n_U: np.ndarray) -> pl.DataFrame:
    at = np.flatnonzero(n_U)
    return _frame(column, what, key, at, n_U[at])


def _frame(column: str, what: str, key: "str | list[str] | pl.Series", unit: np.ndarray, n: np.ndarray) -> pl.DataFrame:
    keys = pl.repeat(key, len(unit), dtype=pl.String, eager=True) if isinstance(key, str) else pl.Series(key, dtype=pl.String)
    return pl.DataFrame({"unit": unit.astype(np.int64), "key": keys, "n": n.astype(np.int64)}).with_columns(
        column=pl.lit(column), what=pl.lit(what)
    )
