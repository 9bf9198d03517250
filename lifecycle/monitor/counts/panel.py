"""Counts of a release as arrays over its units of time, the oldest first: what windows are sums of.

Shape letters: U units, C cells.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl

from lifecycle.monitor.counts.frames import (
    AGREE,
    APART,
    CELL,
    CLUSTERS,
    GROUPS,
    IDS,
    IDS_UNTIL,
    MINORITY,
    NEW_IDS,
    OFTEN,
    PAIRS,
    SAME,
    SUM,
)
from lifecycle.monitor.counts.ids import SeenIds, seen_ids
from lifecycle.monitor.counts.plan import PREDICTION, Plan


@dataclass(frozen=True, kw_only=True)
class Counted:
    """One column."""

    count_UC: np.ndarray
    agree_C: Mapping[str, np.ndarray]  # of each cluster: pairs of its rows that are in the same base cell, over all units
    apart_C: Mapping[str, np.ndarray]  # of which one alone is
    same_U: Mapping[str, np.ndarray]  # of `asked_U`, those that have the same value; of categorical columns
    asked_U: Mapping[str, np.ndarray]  # pairs of rows of one cluster and of different requests, one row of each
    pairs_U: Mapping[str, np.ndarray]  # pairs of rows of one cluster
    often: pl.DataFrame  # unit, key, n: the most frequent values without a cell of their own
    minority: pl.DataFrame  # unit, key, n: cluster and value of rows that differ from the others of their user or creative


@dataclass(frozen=True, kw_only=True)
class Panel:
    """All columns of a release."""

    plan: Plan
    hour_U: np.ndarray  # since 1970
    rows_U: np.ndarray
    predicted_U: np.ndarray  # sum of the predictions, in millionths
    pairs_U: Mapping[str, np.ndarray]  # of each cluster: pairs of rows of one
    of_all_U: Mapping[str, np.ndarray]  # pairs of rows that have a cluster at all
    columns: Mapping[str, Counted]
    ids: SeenIds | None  # of creatives


def panel_of(counts: pl.DataFrame, plan: Plan) -> Panel:
    """The panel of counts, which may come in pieces that are summed up."""
    counts = counts.group_by("hour", "slot", "column", "what", "key").agg(pl.col("n").sum())
    units = counts.select("hour", "slot").unique().sort("hour", "slot").with_row_index("unit")
    counts = counts.join(units, on=["hour", "slot"]).with_columns(pl.col("unit").cast(pl.Int64))
    by = {(str(column), str(what)): part for (column, what), part in counts.partition_by("column", "what", as_dict=True).items()}
    size = len(units)
    clusters = {name: _of_units(by.get(("", PAIRS)), name, size) for name in GROUPS}
    asked = {name: _of_units(by.get(("", PAIRS)), f"{name} of requests", size) for name in CLUSTERS}
    columns = {}
    listed = {what: part for (_, what), part in by.items() if what in (IDS, NEW_IDS, IDS_UNTIL)}
    for column in plan.columns:
        count_UC = np.zeros((size, column.num_cells), dtype=np.int64)
        part = by.get((column.name, CELL))
        if part is not None:
            count_UC[part["unit"].to_numpy(), part["key"].cast(pl.Int64).to_numpy()] = part["n"].to_numpy()
        own = by.get((column.name, PAIRS))
        columns[column.name] = Counted(
            count_UC=count_UC,
            agree_C={name: _of_cells(by.get((column.name, AGREE)), name, column.num_base) for name in GROUPS},
            apart_C={name: _of_cells(by.get((column.name, APART)), name, column.num_base) for name in GROUPS},
            same_U={name: _of_units(by.get((column.name, SAME)), name, size) for name in CLUSTERS},
            asked_U={name: _of_units(own, f"{name} of requests", size) for name in CLUSTERS} if own is not None else asked,
            pairs_U={name: _of_units(own, name, size) for name in GROUPS} if own is not None else clusters,
            often=_listed(by.get((column.name, OFTEN), counts.clear())),
            minority=_listed(by.get((column.name, MINORITY), counts.clear())),
        )
    return Panel(
        plan=plan,
        hour_U=units["hour"].to_numpy().astype(np.int64),
        rows_U=_of_units(by[("", CELL)], "rows", size),
        predicted_U=_of_units(by.get(("", SUM)), PREDICTION, size),
        pairs_U=clusters,
        of_all_U={name: _of_units(by.get(("", PAIRS)), f"{name} of all", size) for name in GROUPS},
        columns=columns,
        ids=seen_ids(listed, size),
    )


def _of_units(part: pl.DataFrame | None, key: str, size: int) -> np.ndarray:
    n_U = np.zeros(size, dtype=np.int64)
    if part is not None:
        chosen = part.filter(pl.col("key") == key)
        n_U[chosen["unit"].to_numpy()] = chosen["n"].to_numpy()
    return n_U


def _of_cells(part: pl.DataFrame | None, name: str, cells: int) -> np.ndarray:
    n_C = np.zeros(cells, dtype=np.int64)
    if part is not None:
        chosen = part.filter(pl.col("key").str.starts_with(f"{name}:"))
        np.add.at(n_C, chosen["key"].str.slice(len(name) + 1).cast(pl.Int64).to_numpy(), chosen["n"].to_numpy())
    return n_C


def _listed(part: pl.DataFrame) -> pl.DataFrame:
    return part.select("unit", "key", "n").sort("unit", "key")
