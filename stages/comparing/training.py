"""How the rows that the two models were trained on differ: how many, from when, and how each column was distributed.

Read from what both exports left (`reference_profile.json`, `split.json`); no training row is read again.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import numpy as np

Profile = dict[str, Any]  # of one column
SHARES = np.linspace(0.1, 0.9, 17)  # of the rows, at whose values two scales are compared
DAY_S = 86_400.0
SAME_FACTOR = 0.1  # by which factors at different shares may differ, in logs, to be one factor
MOST = 0.9  # of these shares have that factor, if it is a unit; ages that grow as a world gets older have it in the middle only
LEAST_FACTOR = 1.5  # a scale that differs by less is drift
MOVED = 0.5  # distance of two distributions from which on they are another column's, or another world's
NEAR = 0.25  # distance up to which they are the same column's


def training_facts(splits: dict[str, Any], profile: dict[str, Any]) -> dict[str, Any]:
    """Rows, click rate and first and last time of a model's training rows; times are None for splits without."""
    train, val = splits["train"], splits["val"]
    last = max(filter(None, (train.get("to"), val.get("to"))), default=None)
    return {
        "rows": train["rows"],
        "fitted_rows": profile["rows"],
        "click_rate": round(profile["click_rate"], 7),
        "from": train.get("from"),
        "to": last,
        "gap_days": days_between(last, splits["test"].get("from")),
    }


def days_between(before: str | None, after: str | None) -> float | None:
    """Days from one ISO time to another; None where one is not known."""
    if before is None or after is None:
        return None
    return round((_instant(after) - _instant(before)) / DAY_S, 4)


def _instant(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def distance(one: Profile, other: Profile) -> float | None:
    """How far apart two distributions are, 0 to 1: of numbers the largest gap of their shares below a number, of strings the
    share that would have to move. None where one is of numbers and the other is not.
    """
    if one["kind"] != other["kind"]:
        return None
    if one["kind"] == "numeric":
        grid = np.union1d(one["edges"], other["edges"])
        return float(np.abs(_below(one, grid) - _below(other, grid)).max(initial=0.0))
    names = {*one["shares"], *other["shares"]}
    common = sum(min(one["shares"].get(name, 0.0), other["shares"].get(name, 0.0)) for name in names)
    rest = sum(min(one[key], other[key]) for key in ("unknown", "missing", "other"))
    return float(min(max(1.0 - common - rest, 0.0), 1.0))


def _below(profile: Profile, grid: np.ndarray) -> np.ndarray:
    """Share of the given values below each number of `grid`, by straight lines between the profile's edges."""
    edges, shares = np.asarray(profile["edges"], dtype=np.float64), np.asarray(profile["shares"])
    if not len(edges):
        return np.zeros(len(grid))
    below = np.cumsum(shares)[:-1] / max(shares.sum(), 1e-12)
    return np.interp(grid, edges, below, left=0.0, right=1.0)


def unit_factor(before: Profile, now: Profile) -> float | None:
    """By how much the numbers of `now` are larger, if they are the same distribution in another unit; None if they are not."""
    if before["kind"] != "numeric" or now["kind"] != "numeric" or min(len(before["edges"]), len(now["edges"])) < 3:
        return None
    old, new = _quantiles(before), _quantiles(now)
    usable = (old != 0) & (new != 0) & (np.sign(old) == np.sign(new))
    if usable.sum() < len(SHARES) // 2:
        return None
    factors = np.log(np.abs(new[usable] / old[usable]))
    middle = float(np.median(factors))
    spread = float(np.quantile(np.abs(factors - middle), MOST))
    is_unit = abs(middle) >= np.log(LEAST_FACTOR) and spread <= SAME_FACTOR * max(1.0, abs(middle))
    return float(np.exp(middle)) if is_unit else None


def _quantiles(profile: Profile) -> np.ndarray:
    """Numbers below which SHARES of the given values lie."""
    edges, shares = np.asarray(profile["edges"], dtype=np.float64), np.asarray(profile["shares"])
    return np.interp(SHARES, np.cumsum(shares)[:-1] / max(shares.sum(), 1e-12), edges)


def swapped(before: dict[str, Profile], now: dict[str, Profile], moved: list[str]) -> list[tuple[str, str]]:
    """Pairs of moved columns of which each is distributed as the other was."""
    pairs = []
    for i, one in enumerate(moved):
        for other in moved[i + 1 :]:
            crossed = distance(before[one], now[other]), distance(before[other], now[one])
            if all(gap is not None and gap <= NEAR for gap in crossed):
                pairs.append((one, other))
    return pairs


def compare_profiles(before: dict[str, Profile], now: dict[str, Profile]) -> dict[str, Any]:
    """Of columns that both models know: the distance of each, and which were swapped or came in another unit."""
    common = sorted(set(before) & set(now))
    distances = {name: distance(before[name], now[name]) for name in common}
    moved = [name for name in common if distances[name] is None or distances[name] >= MOVED]
    pairs = swapped(before, now, moved)
    in_pairs = {name for pair in pairs for name in pair}
    factors = {name: unit_factor(before[name], now[name]) for name in common if name not in in_pairs}
    return {
        "distances": {name: None if gap is None else round(gap, 4) for name, gap in distances.items()},
        "swapped": [list(pair) for pair in pairs],
        "factors": {name: float(f"{factor:.4g}") for name, factor in factors.items() if factor is not None},
    }
