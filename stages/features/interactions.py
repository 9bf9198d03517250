"""Finds columns that say nothing about the click alone, but something together with another column.

For a column w and a partner c: the information of w about the click given c, I(y; w | c) = H(y | c) - H(y | w, c), against what
it is when the clicks of each value of c are dealt over its rows by chance. 2 N I is the likelihood ratio statistic G, by chance
nearly a chi-squared (Agresti, Categorical Data Analysis, 3rd ed., section 3.2). Where cells have few clicks it is scaled, so
scale and degrees of freedom are those that give mean and variance of the dealt ones (Satterthwaite, Biometrics Bulletin 2, 1946).
Its tail is taken by the cube root (Wilson, Hilferty, PNAS 17, 1931), and a pair must stand out among all pairs (Bonferroni).
Shape letters: N rows, G groups of a column.
"""

import math
from statistics import NormalDist

import numpy as np

MAX_GROUPS = 16  # of a column in a pair
MIN_ROWS, MAX_CELLS = 50_000, 2_000_000_000  # rows are drawn where rows x pairs would be more than MAX_CELLS: some 10 s
NUM_DEALS = 100  # of a pair whose Pearson statistic stands out
SCREEN_Z = 2.5


def partners(
    weak: list[str], others: list[str], ids: dict[str, np.ndarray], label: np.ndarray, rng: np.random.Generator
) -> dict[str, tuple[str, float]]:
    """Of each weak column the partner with which it says most, and how far beyond chance, as a z.

    Columns without one that stands out a little are left out.
    """
    num_rows = min(len(label), max(MIN_ROWS, MAX_CELLS // max(len(weak) * len(others), 1)))
    rows = np.arange(len(label)) if num_rows == len(label) else np.sort(rng.choice(len(label), num_rows, replace=False))
    label_N = label[rows].astype(np.int64)
    groups = {name: grouped(ids[name][rows]) for name in dict.fromkeys([*weak, *others])}
    place = {name: i for i, name in enumerate(weak)}
    found: dict[str, tuple[str, float]] = {}
    for name in weak:
        for other in others:
            if place.get(other, len(weak)) <= place[name]:
                continue  # itself, or looked at from the other side
            counts, clicks = _cells(groups[name], groups[other], label_N)
            _judge(name, other, counts.T, clicks.T, rng, found)
            if other in place:
                _judge(other, name, counts, clicks, rng, found)
    return found


def _judge(
    name: str,
    other: str,
    count_GG: np.ndarray,
    clicks_GG: np.ndarray,
    rng: np.random.Generator,
    found: dict[str, tuple[str, float]],
) -> None:
    """Note `other` as partner of `name` if it is the best so far; the tables are [G of the partner, G of the column]."""
    if _pearson(count_GG, clicks_GG) < SCREEN_Z:
        return
    z = standing_out(count_GG, clicks_GG, NUM_DEALS, rng)
    if z > found.get(name, ("", 0.0))[1]:
        found[name] = (other, z)


def needed_z(min_z: float, num_pairs: int) -> float:
    """The normal quantile that one of so many pairs passes by chance as rarely as a single one passes `min_z`."""
    tail = NormalDist().cdf(-min_z) / max(num_pairs, 1)
    return -NormalDist().inv_cdf(tail) if tail > 0 else min_z


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


def _pearson(count_GG: np.ndarray, clicks_GG: np.ndarray) -> float:
    """Pearson's statistic in standard deviations of its chi-squared: quick, its mean right however few clicks there are."""
    total_G = count_GG.sum(axis=1, keepdims=True)
    share_G = np.divide(clicks_GG.sum(axis=1, keepdims=True), total_G, out=np.zeros(total_G.shape), where=total_G > 0)
    scale_GG = count_GG * share_G * (1.0 - share_G)
    excess_GG = np.divide((clicks_GG - count_GG * share_G) ** 2, scale_GG, out=np.zeros(scale_GG.shape), where=scale_GG > 0)
    freedom = int(((scale_GG > 0).sum(axis=1) - (scale_GG > 0).any(axis=1)).sum())
    return float((excess_GG.sum() - freedom) / math.sqrt(2.0 * freedom)) if freedom else 0.0


def standing_out(count_GG: np.ndarray, clicks_GG: np.ndarray, num_deals: int, rng: np.random.Generator) -> float:
    """The z of the normal distribution that is as rare as this table's information under dealing, from `num_deals` deals."""
    chance = np.zeros(num_deals)
    for counts, clicks in zip(count_GG, clicks_GG, strict=True):
        if counts.any():
            draws = rng.multivariate_hypergeometric(counts, int(clicks.sum()), size=num_deals, method="marginals")
            chance -= _loss(counts[None].repeat(num_deals, axis=0), draws, axis=1)
    given = _loss(count_GG.sum(axis=1), clicks_GG.sum(axis=1))
    mean, variance = chance.mean() + given, chance.var(ddof=1)
    if mean <= 0 or variance <= 0:
        return 0.0
    freedom = 2.0 * mean**2 / variance
    spread = 2.0 / (9.0 * freedom)
    ratio = max(float(given - _loss(count_GG, clicks_GG)), 0.0) / mean
    return float((ratio ** (1 / 3) - (1.0 - spread)) / math.sqrt(spread))


def _loss(count: np.ndarray, clicks: np.ndarray, axis: int | None = None) -> np.ndarray:
    """Rows times entropy of the click, nats, summed over cells."""
    p = np.divide(clicks, count, out=np.zeros(count.shape), where=count > 0)
    inner = np.stack([p, 1.0 - p])
    terms = np.where(inner > 0, inner * np.log(np.where(inner > 0, inner, 1.0)), 0.0).sum(axis=0)
    return -(count * terms).sum(axis=axis)
