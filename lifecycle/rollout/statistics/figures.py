"""The figures of a comparison, by arm and of both arms, with their standard errors, at every look.

`own` is on the challenger's traffic, `other` on the champion's, `both` their mean and `interaction` own less other; `rows`
weighs the arms by their rows, the challenger's by half at most. A model looks worse on the traffic that it chose itself (it chose
what it rates too high); in the mean of both that cancels for models alike, and in `rows` it flatters the challenger.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from lifecycle.rollout.statistics.cells import CHALLENGER, CHAMPION, Table, variance

VIEWS: Mapping[str, Mapping[str, float]] = {
    "both": {CHAMPION: 0.5, CHALLENGER: 0.5},
    "own": {CHALLENGER: 1.0},
    "other": {CHAMPION: 1.0},
    "interaction": {CHALLENGER: 1.0, CHAMPION: -1.0},
}
InArm = Callable[[Table, str], tuple[np.ndarray, Mapping[str, np.ndarray]]]  # value, and its slope by each variable


@dataclass(frozen=True, kw_only=True)
class Estimated:
    value: np.ndarray  # float64 [L]; NaN where an arm has no rows
    error: np.ndarray  # its standard error


def estimated(table: Table, in_arm: InArm, view: str) -> Estimated:
    value = np.zeros(1)
    gradient: dict[tuple[str, str], np.ndarray] = {}
    with np.errstate(divide="ignore", invalid="ignore"):
        shares = by_rows(table) if view == "rows" else VIEWS[view]
        for arm, share in shares.items():
            of_arm, slopes = in_arm(table, arm)
            value = value + share * of_arm
            gradient |= {(arm, name): share * slope for name, slope in slopes.items()}
        return Estimated(value=value, error=np.sqrt(variance(table, gradient)))


def by_rows(table: Table) -> Mapping[str, np.ndarray]:
    """Share of each arm's figure."""
    ours = np.minimum(table[f"{CHALLENGER}/w"] / (table[f"{CHAMPION}/w"] + table[f"{CHALLENGER}/w"]), 0.5)
    return {CHAMPION: 1 - ours, CHALLENGER: ours}


def excess_loss(margin: float) -> InArm:
    """Log-loss a row of the challenger beyond (1 + margin) times the champion's, in nats."""

    def in_arm(table: Table, arm: str) -> tuple[np.ndarray, Mapping[str, np.ndarray]]:
        weight = table[f"{arm}/w"]
        value = (table[f"{arm}/h"] - (1 + margin) * table[f"{arm}/c"]) / weight
        return value, {"h": 1 / weight, "c": -(1 + margin) / weight, "w": -value / weight}

    return in_arm


def mean_excess(table: Table, arm: str) -> tuple[np.ndarray, Mapping[str, np.ndarray]]:
    """Of a variable z that is such an excess already."""
    weight = table[f"{arm}/w"]
    value = table[f"{arm}/z"] / weight
    return value, {"z": 1 / weight, "w": -value / weight}


def shift(table: Table, arm: str) -> tuple[np.ndarray, Mapping[str, np.ndarray]]:
    """Logarithm of the clicks that the challenger predicts by those that the champion predicts: of the same rows, so nearly
    exact.
    """
    ours, theirs = table[f"{arm}/q"], table[f"{arm}/p"]
    return np.log(ours / theirs), {"q": 1 / ours, "p": -1 / theirs}


def off_together(table: Table, arm: str) -> tuple[np.ndarray, Mapping[str, np.ndarray]]:
    """Sum of both logarithms of predicted by observed clicks."""
    ours, theirs, clicks = table[f"{arm}/q"], table[f"{arm}/p"], table[f"{arm}/y"]
    return np.log(ours / clicks) + np.log(theirs / clicks), {"q": 1 / ours, "p": 1 / theirs, "y": -2 / clicks}


def champion_loss(table: Table) -> np.ndarray:
    """The champion's mean log-loss over all rows, in nats."""
    with np.errstate(divide="ignore", invalid="ignore"):
        weight = table[f"{CHAMPION}/w"] + table[f"{CHALLENGER}/w"]
        return (table[f"{CHAMPION}/c"] + table[f"{CHALLENGER}/c"]) / weight
