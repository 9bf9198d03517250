"""Finds columns that say nothing about the click alone, but something together with another column.

For a column w and a partner c: the information of w about the click given c, I(y; w | c) = H(y | c) - H(y | w, c), against what
it is when the clicks of each value of c are dealt over its rows by chance. Columns are cut to few groups, so that a pair
has cells with rows in them. 2 N I is the likelihood ratio statistic G, by chance nearly chi-squared (Agresti, Categorical Data
Analysis, 3rd ed., section 3.2); only pairs that stand out by that are dealt.
Shape letters: N rows, G groups of a column, P cells of a pair.
"""

import math

import numpy as np

MAX_GROUPS = 16  # of a column in a pair
MIN_ROWS, MAX_CELLS = 50_000, 2_000_000_000  # rows are drawn where rows x pairs would be more than MAX_CELLS: some 10 s
SCREEN_Z = 3.0  # a pair below this by the chi-squared is not dealt


def partners(
    weak: list[str], others: list[str], ids: dict[str, np.ndarray], label: np.ndarray, num_shuffles: int, rng: np.random.Generator
) -> dict[str, tuple[str, float]]:
    """Of each weak column the partner with which it says most, and how many standard deviations beyond chance.

    Columns without one that stands out are left out.
    """
    num_rows = min(len(label), max(MIN_ROWS, MAX_CELLS // max(len(weak) * len(others), 1)))
    rows = np.arange(len(label)) if num_rows == len(label) else np.sort(rng.choice(len(label), num_rows, replace=False))
    label_N = label[rows].astype(np.int64)
    groups = {name: grouped(ids[name][rows]) for name in dict.fromkeys([*weak, *others])}
    found: dict[str, tuple[str, float]] = {}
    for name in weak:
        for other in others:
            if other == name or (other in weak and weak.index(other) < weak.index(name)):
                continue  # itself, or looked at from the other side
            counts, clicks = _cells(groups[name], groups[other], label_N)
            _judge(name, other, counts.T, clicks.T, num_shuffles, rng, found)
            if other in weak:
                _judge(other, name, counts, clicks, num_shuffles, rng, found)
    return found


def _judge(
    name: str,
    other: str,
    count_GG: np.ndarray,
    clicks_GG: np.ndarray,
    num_shuffles: int,
    rng: np.random.Generator,
    found: dict[str, tuple[str, float]],
) -> None:
    """Note `other` as partner of `name` if it is the best so far; the tables are [G of the partner, G of the column]."""
    screened = _screened(count_GG, clicks_GG)
    if screened < SCREEN_Z:
        return
    z = min(screened, dealt(count_GG, clicks_GG, num_shuffles, rng))  # each errs upwards now and then
    if z > found.get(name, ("", 0.0))[1]:
        found[name] = (other, z)


def needed_z(min_z: float, num_pairs: int) -> float:
    """What a pair must reach: the largest of so many by chance lies near sqrt(2 ln(number))."""
    return min_z + math.sqrt(2.0 * math.log(max(num_pairs, 1)))


def grouped(ids_N: np.ndarray) -> np.ndarray:
    """The ids as MAX_GROUPS groups at most: the most frequent ids, and one for the rest."""
    values, place_N, counts = np.unique(ids_N, return_inverse=True, return_counts=True)
    if len(values) <= MAX_GROUPS:
        return place_N
    rank = np.empty(len(values), dtype=np.int64)
    rank[np.argsort(-counts, kind="stable")] = np.arange(len(values))
    return np.minimum(rank, MAX_GROUPS - 1)[place_N]


def _cells(first_N: np.ndarray, second_N: np.ndarray, label_N: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows and clicks of each pair of groups, [G of the first, G of the second]."""
    found = np.bincount((first_N * MAX_GROUPS + second_N) * 2 + label_N, minlength=2 * MAX_GROUPS**2)
    found = found.reshape(MAX_GROUPS, MAX_GROUPS, 2)
    return found.sum(axis=2), found[:, :, 1]


def _screened(count_GG: np.ndarray, clicks_GG: np.ndarray) -> float:
    """G in standard deviations of its chi-squared."""
    freedom = (count_GG > 0).sum() - (count_GG.sum(axis=1) > 0).sum()
    if freedom == 0:
        return 0.0
    statistic = 2.0 * (_loss(count_GG.sum(axis=1), clicks_GG.sum(axis=1)) - _loss(count_GG, clicks_GG))
    return float((statistic - freedom) / math.sqrt(2.0 * freedom))


def dealt(count_GG: np.ndarray, clicks_GG: np.ndarray, num_shuffles: int, rng: np.random.Generator) -> float:
    """The same information in standard deviations of what it is when each partner group's clicks are dealt by chance."""
    chance = np.zeros(num_shuffles)
    for counts, clicks in zip(count_GG, clicks_GG, strict=True):
        if counts.any():
            draws = rng.multivariate_hypergeometric(counts, int(clicks.sum()), size=num_shuffles, method="marginals")
            chance += _loss(counts[None].repeat(num_shuffles, axis=0), draws, axis=1)
    return float((chance.mean() - _loss(count_GG, clicks_GG)) / max(chance.std(), 1e-12))


def _loss(count: np.ndarray, clicks: np.ndarray, axis: int | None = None) -> np.ndarray:
    """Rows times entropy of the click, nats, summed over cells."""
    p = np.divide(clicks, count, out=np.zeros(count.shape), where=count > 0)
    inner = np.stack([p, 1.0 - p])
    terms = np.where(inner > 0, inner * np.log(np.where(inner > 0, inner, 1.0)), 0.0).sum(axis=0)
    return -(count * terms).sum(axis=axis)
