"""Rows of the journal as counts: of each unit of time, how many rows are in which cell of which column.

Beside them pairs of rows of the same user, or of the same creative, and how many of these agree: from that follows how much
less a row tells than an independent one. Shape letters: N rows, U units, C cells.
"""

import hashlib

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from lifecycle.monitor.counts.frames import (
    CELL,
    CLUSTERS,
    LEAST_OFTEN,
    LEAST_SHARE,
    MILLION,
    OFTEN,
    PAIRS,
    REQUEST,
    SLOTS,
    SUM,
    TOP,
    Coded,
    frame,
    of_units,
)
from lifecycle.monitor.counts.ids import ids_of_units
from lifecycle.monitor.counts.likeness import Members, first_of_day, likeness, members_of, one_a_request, pairs_of, together_of
from lifecycle.monitor.counts.plan import BEYOND, FIRST, MISSING, PREDICTION, UNKNOWN, ColumnPlan, Plan

HOUR_NS = 3600 * 10**9


def count_rows(rows: pl.DataFrame, plan: Plan, block_rows: int) -> pl.DataFrame:
    """Counts of rows of one release: columns `hour` (since 1970), `slot`, `column`, `what`, `key`, `n`."""
    at_N = rows.select(pl.coalesce("event_at", "answered_at").cast(pl.Int64)).to_series().to_numpy()
    unit_N, units = _units(at_N, block_rows)
    sources = dict(zip(CLUSTERS, (plan.entity, plan.creative), strict=True))
    clusters = {name: _dictionary(rows[column])[0] for name, column in sources.items() if column is not None}
    parts = [frame("", CELL, "rows", np.arange(len(units)), np.bincount(unit_N, minlength=len(units)))]
    parts.append(of_units("", SUM, PREDICTION, np.bincount(unit_N, rows["probability"].to_numpy() * MILLION).astype(np.int64)))
    sorted_by = {name: members_of(unit_N, cluster_N) for name, cluster_N in clusters.items()}
    request_N = _dictionary(rows["prediction_id"])[0]
    asked = {name: one_a_request(unit_N, cluster_N, request_N) for name, cluster_N in clusters.items()}
    singles = {name: members_of(unit_N, cluster_N) for name, cluster_N in asked.items()}
    for name, (_, group_M, unit_G) in singles.items():
        parts.append(of_units("", PAIRS, f"{name} of requests", pairs_of(group_M, unit_G, None, len(units))))
    clusters[REQUEST] = together_of(clusters.get(CLUSTERS[0]), request_N)
    sorted_by[REQUEST] = members_of(unit_N, clusters[REQUEST])
    for name, members in sorted_by.items():
        parts.append(of_units("", PAIRS, name, pairs_of(members[1], members[2], None, len(units))))
        size_U = np.bincount(unit_N[clusters[name] >= 0], minlength=len(units))
        parts.append(of_units("", PAIRS, f"{name} of all", size_U * (size_U - 1)))
    day_U, looked_at, single_looks = first_of_day(units), dict[str, Members](), dict[str, Members]()
    for column in plan.columns:
        coded = coded_column(rows, column)
        count_UC = np.bincount(unit_N * column.num_cells + coded.cell_N, minlength=len(units) * column.num_cells)
        at = np.flatnonzero(count_UC)
        keys = pl.Series(at % column.num_cells).cast(pl.String)
        parts.append(frame(column.name, CELL, keys, at // column.num_cells, count_UC[at]))
        if column.role == "image" and not looked_at:  # not every row has one; those that have one have all looks
            there_N = coded.cell_N != MISSING
            looked_at = {name: members_of(unit_N, np.where(there_N, clusters[name], -1)) for name in sorted_by}
            single_looks = {name: members_of(unit_N, np.where(there_N, asked[name], -1)) for name in singles}
        for name, members in (looked_at if column.role == "image" else sorted_by).items():
            single = (single_looks if column.role == "image" else singles).get(name)
            parts += likeness(column, name, coded, members, single, day_U)
        parts.append(_often(column, coded, unit_N, len(units)))
        if column.role == "creative":
            parts += ids_of_units(column, coded, unit_N, f"{column.name}__id" in rows.columns)
    counts = pl.concat(parts)
    hours, slots = units // SLOTS, units % SLOTS
    return counts.with_columns(
        hour=pl.Series(hours.astype(np.int32)).gather(counts["unit"]),
        slot=pl.Series(slots.astype(np.int32)).gather(counts["unit"]),
    ).select("hour", "slot", "column", "what", "key", "n")


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


def _often(column: ColumnPlan, coded: Coded, unit_N: np.ndarray, num_units: int) -> pl.DataFrame:
    """The most frequent values of each unit among those that have no cell of their own."""
    if coded.values is None:
        return frame("", OFTEN, "", np.zeros(0, np.int64), np.zeros(0, np.int64))
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
    return frame(column.name, OFTEN, texts, unit_R[kept], size_R[kept])


def pseudonym(text: str) -> str:
    """What stands for a user in the summaries."""
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()
