"""The reference profile: how each column was distributed on the training split, and by how much that moves without any change,
for drift to be measured against.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from contracts.dataset.declaration import Declaration
from stages.features.clusters import Clusters, day_deviation, design_effect
from stages.features.turnover import is_function_of, last_day, new_rate
from stages.features.vocabulary import FIRST_ID, MISSING_ID, UNKNOWN_ID, Scale, Vocabulary

FORMAT = 2  # the first had rows, click rate and shares
TOP_VALUES = 50  # values whose share is kept by name; the others are summed up
HEAD_VALUES = 10  # most frequent values, whose common share is kept


@dataclass(frozen=True, kw_only=True)
class Grouped:
    """Which training rows belong together; None where no column says so."""

    users: Clusters | None
    days: Clusters | None
    user_days: Clusters | None  # rows of one user on one day; single rows if nobody knows whose they are
    creative_N: np.ndarray | None  # int64
    is_last_N: pl.Series | None  # of the last day


def profile(
    parts: list[Vocabulary | Scale],
    ids: dict[str, np.ndarray],
    train: pl.DataFrame,
    declaration: Declaration,
    images: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """What is kept of the training rows, as plain values; `images` is what `looks_profile` says of their creatives.

    What needs a column that the data set does not have is None.
    """
    grouped = group(train, declaration)
    users = grouped.users
    return {
        "format": FORMAT,
        "rows": len(train),
        "click_rate": float(train[declaration.label.name].mean()),
        "entities": None if users is None else len(users.sizes_U),
        "effective_entities": None if users is None else _short(users.effective),
        "hours": None if declaration.time is None else hour_shares(train[declaration.time.name]),
        "columns": {part.name: _column(part, ids[part.name]) | moves(part, ids, train, grouped) for part in parts},
        "images": images,
    }


def group(train: pl.DataFrame, declaration: Declaration) -> Grouped:
    """The training rows by user, day and creative, as far as columns have these roles."""
    entity, time, creative = declaration.entity, declaration.time, declaration.creative
    times = None if time is None or train[time.name].null_count() == len(train) else train[time.name]
    users = None if entity is None else Clusters.of(train[entity.name])
    days = None if times is None else Clusters.of(times.dt.truncate("1d").fill_null(strategy="forward").backward_fill())
    alone = Clusters.numbered(np.arange(len(train))) if users is None else users
    return Grouped(
        users=users,
        days=days,
        user_days=None if days is None else alone.within(days),
        creative_N=None if creative is None else Clusters.of(train[creative.name]).of_row_N,
        is_last_N=None if times is None else last_day(times),
    )


def hour_shares(times: pl.Series) -> list[float] | None:
    """Shares of the 24 hours (UTC) among the rows that have a time; None if none has."""
    known = times.drop_nulls()
    if not len(known):
        return None
    return (np.bincount(known.dt.hour().to_numpy(), minlength=24) / len(known)).tolist()


def moves(part: Vocabulary | Scale, ids: dict[str, np.ndarray], train: pl.DataFrame, grouped: Grouped) -> dict[str, Any]:
    """By how much the column's shares move without any change, and how much of it is new every day."""
    ids_N, is_named = ids[part.name], isinstance(part, Vocabulary)
    users, days, user_days = grouped.users, grouped.days, grouped.user_days
    head = int(np.bincount(ids_N, minlength=part.num_ids)[FIRST_ID : FIRST_ID + HEAD_VALUES].sum())
    new = new_rate(train[part.name], grouped.is_last_N) if is_named and grouped.is_last_N is not None else None
    return {
        "design_effect": None if users is None else _short(design_effect(ids_N, part.num_ids, users)),
        "by_creative": None if grouped.creative_N is None else is_function_of(ids_N, grouped.creative_N),
        "day_sd": None if days is None or user_days is None else _short(day_deviation(ids_N, days, user_days)),
        "head_share": head / len(ids_N) if is_named else None,
        "new_rate": new,
    }


def _column(part: Vocabulary | Scale, ids_N: np.ndarray) -> dict[str, Any]:
    shares = np.bincount(ids_N, minlength=part.num_ids) / len(ids_N)
    common = {"unknown": float(shares[UNKNOWN_ID]), "missing": float(shares[MISSING_ID])}
    if isinstance(part, Scale):
        return {**common, "kind": "numeric", "edges": list(part.edges), "shares": shares[FIRST_ID:].tolist()}
    known = dict(zip(part.values[:TOP_VALUES], shares[FIRST_ID : FIRST_ID + TOP_VALUES].tolist(), strict=True))
    return {**common, "kind": "categorical", "shares": known, "other": float(shares[FIRST_ID + TOP_VALUES :].sum())}


def _short(value: float | None) -> float | None:
    """Six digits: the last ones of a root depend on the processor."""
    return None if value is None else float(f"{value:.6g}")
