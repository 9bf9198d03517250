"""What is known of some rows at every look: sums by arm, and sums of products by cluster, of which all figures and errors are
made.

A *figure* is a function of an arm's sums; its gradient says what each row adds to its error (linearisation: Binder, "On the
variances of asymptotically normal estimators from complex surveys", International Statistical Review 51, 1983). Shape letters:
N rows, L looks.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from lifecycle.rollout.statistics.running import ClusterSums, Entered

CHAMPION, CHALLENGER = "champion", "challenger"
ARMS = (CHAMPION, CHALLENGER)
USERS, CREATIVES = "users", "creatives"
Table = dict[str, np.ndarray]  # name -> float64 [L]
Gradient = Mapping[tuple[str, str], np.ndarray]  # arm and variable -> float64 [L]


@dataclass(frozen=True, kw_only=True)
class CellRows:
    """Rows, in the order in which they entered. `is_challenger_N`: by the arm as assigned."""

    is_challenger_N: np.ndarray
    weight_N: np.ndarray
    user_N: np.ndarray  # number of the routing key
    unit_N: np.ndarray  # number of routing key and day
    clicked_N: np.ndarray
    creative_N: np.ndarray | None  # number of the creative; None where there are none

    def of(self, chosen_N: np.ndarray) -> "CellRows":
        return CellRows(
            is_challenger_N=self.is_challenger_N[chosen_N],
            weight_N=self.weight_N[chosen_N],
            user_N=self.user_N[chosen_N],
            unit_N=self.unit_N[chosen_N],
            clicked_N=self.clicked_N[chosen_N],
            creative_N=None if self.creative_N is None else self.creative_N[chosen_N],
        )

    @property
    def clusterings(self) -> dict[str, np.ndarray]:
        return {USERS: self.user_N} | ({} if self.creative_N is None else {CREATIVES: self.creative_N})


def counted(rows: CellRows, entered: Entered) -> Table:
    """Rows, units and clicks of each arm."""
    first_N = np.zeros(len(rows.unit_N), dtype=bool)
    first_N[np.unique(rows.unit_N, return_index=True)[1]] = True
    found: Table = {}
    for arm, here_N in _arms(rows):
        found |= {
            f"{arm}/rows": entered.sums(here_N.astype(np.float64)),
            f"{arm}/units": entered.sums((here_N & first_N).astype(np.float64)),
            f"{arm}/clicks": entered.sums(np.where(here_N, rows.clicked_N, 0.0)),
        }
    return found


def summed(rows: CellRows, entered: Entered, variables: Mapping[str, np.ndarray]) -> Table:
    """Weighted sums of the variables by arm, and of their products by cluster, within an arm and between the arms."""
    split = {
        (arm, name): np.where(here_N, rows.weight_N * value_N, 0.0)
        for arm, here_N in _arms(rows)
        for name, value_N in variables.items()
    }
    found = {f"{arm}/{name}": entered.sums(value_N) for (arm, name), value_N in split.items()}
    for by, cluster_N in rows.clusterings.items():
        clusters = ClusterSums(cluster_N, entered)
        ordered = {key: clusters.sorted(value_N) for key, value_N in split.items()}
        for left, right in _pairs(list(split)):
            found[product_name(by, left, right)] = clusters.products(ordered[left], ordered[right])
    return found


def variance(table: Table, gradient: Gradient) -> np.ndarray:
    """float64 [L]: of the figure with this gradient; the largest of those by each kind of cluster, as if they were `n / (n -
    1)` few.

    Cluster-robust (Liang and Zeger, "Longitudinal data analysis using generalized linear models", Biometrika 73, 1986).
    """
    found = []
    for by in (USERS, CREATIVES):
        names = list(gradient)
        if product_name(by, names[0], names[0]) not in table:
            continue
        total = np.zeros_like(next(iter(gradient.values())))
        for left, right in _pairs(names):
            twice = 1.0 if left == right else 2.0
            total = total + twice * gradient[left] * gradient[right] * table[product_name(by, left, right)]
        found.append(np.maximum(total, 0.0) * _few(table, by))
    return np.maximum.reduce(found)


def product_name(by: str, left: tuple[str, str], right: tuple[str, str]) -> str:
    first, second = sorted((left, right))
    return f"{by}/{first[0]}/{first[1]}*{second[0]}/{second[1]}"


def _few(table: Table, by: str) -> np.ndarray:
    """What the variance is too small by where there are few clusters, counted by their weights."""
    weight = sum(table[f"{arm}/w"] for arm in ARMS)
    squares = sum(
        (1.0 if left == right else 2.0) * table[product_name(by, (left, "w"), (right, "w"))]
        for left, right in ((CHAMPION, CHAMPION), (CHALLENGER, CHALLENGER), (CHAMPION, CHALLENGER))
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        number = np.where(squares > 0, weight**2 / squares, 0.0)
        return np.where(number > 1.5, number / (number - 1), np.inf)


def _arms(rows: CellRows) -> list[tuple[str, np.ndarray]]:
    return [(CHAMPION, ~rows.is_challenger_N), (CHALLENGER, rows.is_challenger_N)]


def _pairs(names: Sequence[tuple[str, str]]) -> list[tuple[tuple[str, str], tuple[str, str]]]:
    return [(left, right) for place, left in enumerate(names) for right in names[place:]]
