"""Where the looks at a rollout's rows are, and which rows belong together: all that does not depend on models, arms and clicks.

Rows of one cluster between two looks are added up before the clusters are followed from look to look (the sums at the looks are
the same, and there are fewer numbers). Shape letters: N rows in order of their answers, L looks, G runs (rows of one cluster
between two looks), V values of a column.
"""

from dataclasses import dataclass

import numpy as np

from lifecycle.rollout.statistics.running import ClusterSums, Entered


@dataclass(frozen=True, kw_only=True)
class ShownRows:
    """Who saw what when."""

    day_N: np.ndarray
    user_N: np.ndarray
    creative_N: np.ndarray
    slices: dict[str, np.ndarray]  # column -> code [N]


@dataclass(frozen=True, kw_only=True)
class Runs:
    """Of one kind of cluster."""

    order_N: np.ndarray
    starts_G: np.ndarray
    clusters: ClusterSums

    def added(self, value_N: np.ndarray) -> np.ndarray:
        return np.add.reduceat(value_N[self.order_N], self.starts_G)


@dataclass(frozen=True, kw_only=True)
class LayoutPart:
    """Some of the rows (of shadow, of canary), or those of canary by the values of a column: then looks are L for each value."""

    chosen: slice
    entered: Entered  # of the chosen rows
    first_N: np.ndarray  # is it the first of its routing key and day, and value
    runs: dict[str, Runs]
    num_values: int
    firsts_V: np.ndarray  # number of the first row of each value; -1: there is none


@dataclass(frozen=True, kw_only=True)
class Layout:
    ends_L: np.ndarray  # rows until each look
    day_L: np.ndarray  # of the last of them
    ends_day_L: np.ndarray
    shadow: LayoutPart | None
    canary: LayoutPart
    slices: dict[str, LayoutPart]


def layout_of(rows: ShownRows, is_shadow_D: np.ndarray, look_rows: int) -> Layout:
    """Shadow comes first, in whole days."""
    number, day_N = len(rows.day_N), rows.day_N
    day_ends = np.append(np.flatnonzero(np.diff(day_N)) + 1, number)
    ends_L = np.unique(np.concatenate([np.arange(look_rows, number + 1, look_rows), day_ends]))
    look_N = np.searchsorted(ends_L, np.arange(number), side="right")
    split = int(np.searchsorted(day_N, int(is_shadow_D.sum())))
    whole = {name: np.zeros(number, dtype=np.int64) for name in ("", *rows.slices)} | rows.slices
    before, after = slice(0, split), slice(split, number)
    return Layout(
        ends_L=ends_L,
        day_L=day_N[ends_L - 1],
        ends_day_L=np.isin(ends_L, day_ends),
        shadow=_part(rows, look_N, len(ends_L), before, whole[""]) if split else None,
        canary=_part(rows, look_N, len(ends_L), after, whole[""]),
        slices={name: _part(rows, look_N, len(ends_L), after, whole[name]) for name in rows.slices},
    )


def _part(rows: ShownRows, look_N: np.ndarray, num_looks: int, chosen: slice, code_N: np.ndarray) -> LayoutPart:
    code, look = code_N[chosen].astype(np.int64), look_N[chosen]
    num_values = int(code.max(initial=0)) + 1
    entered = Entered(look_N=code * num_looks + look, num_looks=num_values * num_looks)
    user, creative, day = rows.user_N[chosen], rows.creative_N[chosen], rows.day_N[chosen]
    unit = (day.astype(np.int64) * (int(user.max(initial=0)) + 1) + user) * num_values + code
    firsts_V = np.full(num_values, -1)
    firsts_V[code[::-1]] = np.arange(len(code))[::-1]
    return LayoutPart(
        chosen=chosen,
        entered=entered,
        first_N=_is_first(unit),
        runs={name: _runs(ids * num_values + code, entered) for name, ids in (("users", user), ("creatives", creative))},
        num_values=num_values,
        firsts_V=firsts_V,
    )


def _is_first(id_N: np.ndarray) -> np.ndarray:
    found = np.zeros(len(id_N), dtype=bool)
    found[np.unique(id_N, return_index=True)[1]] = True
    return found


def _runs(cluster_N: np.ndarray, entered: Entered) -> Runs:
    order_N = np.argsort(cluster_N, kind="stable")
    cluster, look = cluster_N[order_N], entered.look_N[order_N]
    is_new = np.ones(len(order_N), dtype=bool)
    is_new[1:] = (cluster[1:] != cluster[:-1]) | (look[1:] != look[:-1])
    starts_G = np.flatnonzero(is_new)
    runs = Entered(look_N=look[starts_G], num_looks=entered.num_looks)
    return Runs(order_N=order_N, starts_G=starts_G, clusters=ClusterSums(cluster[starts_G], runs))
