"""Pairs of rows of one user, or of one creative, in a unit of time: how many agree in a column, and which rows differ.

Shape letters: N rows, M rows that share a group with another, G groups, U units, D days, C cells.
"""

import numpy as np
import polars as pl

from lifecycle.monitor.counts.frames import (
    AGREE,
    APART,
    FEWEST_OF_GROUP,
    MINORITY,
    MOST_ODD,
    PAIRS,
    SAME,
    SLOTS,
    Coded,
    frame,
    of_units,
)
from lifecycle.monitor.counts.plan import FIRST, ColumnPlan

Members = tuple[np.ndarray, np.ndarray, np.ndarray]
AT_ONCE = 1 << 14  # groups whose cells are counted together


def members_of(unit_N: np.ndarray, cluster_N: np.ndarray) -> Members:
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


def one_a_request(unit_N: np.ndarray, cluster_N: np.ndarray, request_N: np.ndarray) -> np.ndarray:
    """The clusters with -1 for all rows but the first of each unit, cluster and request.

    Rows of one request are alike because they were sent together: whether two of a user's rows agree is seen in two requests.
    """
    width, requests = int(cluster_N.max(initial=0)) + 2, int(request_N.max(initial=0)) + 1
    _, first = np.unique((unit_N * width + cluster_N + 1) * requests + request_N, return_index=True)
    kept_N = np.full(len(cluster_N), -1, dtype=np.int64)
    kept_N[first] = cluster_N[first]
    return kept_N


def together_of(cluster_N: np.ndarray | None, request_N: np.ndarray) -> np.ndarray:
    """A code for each request, and in it for each user."""
    if cluster_N is None:
        return request_N
    return np.unique(request_N * (int(cluster_N.max(initial=0)) + 2) + cluster_N + 1, return_inverse=True)[1].astype(np.int64)


def pairs_of(group_M: np.ndarray, unit_G: np.ndarray, value_M: np.ndarray | None, num_units: int) -> np.ndarray:
    """Of each unit, ordered pairs of different rows of one group (that have the same value)."""
    if value_M is None:
        size_G = np.bincount(group_M, minlength=len(unit_G))
        return np.bincount(unit_G, size_G * (size_G - 1), minlength=num_units).astype(np.int64)
    width = int(value_M.max(initial=0)) + 1
    key = np.sort(group_M * width + value_M)
    begins = np.flatnonzero(np.diff(key, prepend=-1))
    size_R = np.diff(begins, append=len(key))
    return np.bincount(unit_G[key[begins] // width], size_R * (size_R - 1), minlength=num_units).astype(np.int64)


def likeness(
    column: ColumnPlan, name: str, coded: Coded, members: Members, single: Members | None, day_U: np.ndarray
) -> list[pl.DataFrame]:
    """What rows of one user, creative or request have in common in a column; `single`: members of which a request has one row."""
    there, group_M, unit_G = members
    cell_M = column.base_of()[coded.cell_N[there]]
    found = _agreeing(column, name, members, cell_M, day_U)
    if column.role == "image":
        found.append(of_units(column.name, PAIRS, name, pairs_of(group_M, unit_G, None, len(day_U))))
    if single is not None and (coded.values is not None or column.step):
        there, group_M, unit_G = single
        if column.role == "image":
            found.append(of_units(column.name, PAIRS, f"{name} of requests", pairs_of(group_M, unit_G, None, len(day_U))))
        found.append(of_units(column.name, SAME, name, pairs_of(group_M, unit_G, coded.value_N[there], len(day_U))))
        found.append(_minority(column, name, coded, single))
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
        return frame("", MINORITY, "", np.zeros(0, np.int64), np.zeros(0, np.int64))
    value = value_R[odd] if coded.values is not None else (value_R[odd] > usual_G[group_R[odd]]).astype(np.int64)
    texts = coded.values or ["below", "above"]
    places, at = np.unique(unit_G[group_R[odd]] * len(texts) + value, return_inverse=True)
    rows = np.bincount(at, size_R[odd]).astype(np.int64)
    return frame(column.name, MINORITY, [f"{name}:{texts[p % len(texts)]}" for p in places], places // len(texts), rows)


def _agreeing(column: ColumnPlan, name: str, members: Members, cell_M: np.ndarray, day_U: np.ndarray) -> list[pl.DataFrame]:
    """Pairs of rows of one group that are both in a cell, and those of which one alone is: of a day, with its first unit."""
    _, group_M, unit_G = members
    width, day_G = column.num_base, day_U[unit_G]
    if not len(unit_G):
        return []
    begins_D = np.flatnonzero(np.diff(day_G, prepend=-1))
    agree_DC, apart_DC = (np.zeros((len(begins_D), width), dtype=np.int64) for _ in range(2))
    size_G = np.bincount(group_M, minlength=len(unit_G))
    for start in range(0, len(unit_G), AT_ONCE):
        chosen = slice(*np.searchsorted(group_M, [start, start + AT_ONCE]))
        count_GC = np.bincount(
            (group_M[chosen] - start) * width + cell_M[chosen], minlength=min(AT_ONCE, len(unit_G) - start) * width
        )
        count_GC = count_GC.reshape(-1, width)
        if column.is_summed:
            count_GC[:, FIRST:] = count_GC[:, : FIRST - 1 : -1].cumsum(axis=1)[:, ::-1]
        rest_GC = size_G[start : start + AT_ONCE, None] - count_GC
        day_of = np.searchsorted(begins_D, np.arange(start, start + len(count_GC)), side="right") - 1
        np.add.at(agree_DC, day_of, count_GC * (count_GC - 1))
        np.add.at(apart_DC, day_of, count_GC * rest_GC)
    frames = []
    for what, pairs_DC in ((AGREE, agree_DC), (APART, apart_DC)):
        day, cell = np.nonzero(pairs_DC)
        frames.append(
            frame(column.name, what, name + ":" + pl.Series(cell).cast(pl.String), day_G[begins_D[day]], pairs_DC[day, cell])
        )
    return frames


def first_of_day(units: np.ndarray) -> np.ndarray:
    days = units // SLOTS // 24
    return np.searchsorted(days, days)
