"""The difference between the arms at the end of each day, with an interval that holds on all days together.

The figure of an arm is a ratio of sums over its routing keys: worth of the clicks by page views. Its error is linearised and
summed by key, because a key is what was drawn, and a user's page views go together (Binder 1983; Liang and Zeger 1986; see
`lifecycle/rollout/statistics/cells.py`). The interval is an asymptotic confidence sequence by normal mixtures (Robbins 1970;
Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas, Annals of Statistics 52, 2024), half of alpha to each side. Creatives are no
clusters here: users were drawn, creatives are the same in both arms. Shape letters: N keys times days, D days.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl

from contracts.lifecycle.ab import AbConfig
from lifecycle.rollout.judgement import Interval, RatioVerdict
from lifecycle.rollout.pairs import ROLE_CHALLENGER
from lifecycle.rollout.statistics.cells import CHALLENGER, CHAMPION, CellRows, Table, counted, summed
from lifecycle.rollout.statistics.figures import Estimated, estimated
from lifecycle.rollout.statistics.mixture import bound
from lifecycle.rollout.statistics.ratio import sample_ratio
from lifecycle.rollout.statistics.running import Entered

THOUSAND = 1000.0  # page views that a figure is of
DIFFERENCE = "interaction"  # of the kernel's views: challenger less champion
DAY_NS = 86_400 * 10**9


@dataclass(frozen=True, kw_only=True)
class ArmSoFar:
    keys: int
    views: int
    fell_back: int
    clicks: int
    figure: float | None  # worth of the clicks a thousand page views


@dataclass(frozen=True, kw_only=True)
class AbDay:
    """All days until this one."""

    end_ns: int
    days: int
    champion: ArmSoFar
    challenger: ArmSoFar
    difference: Interval | None  # a thousand page views; None: too little of either arm
    relative: Interval | None  # as a share of the champion's figure
    ratio: RatioVerdict


def sequence(by_key: pl.DataFrame, share: float, config: AbConfig) -> list[AbDay]:
    """`by_key`: KEY_SCHEMA. `share`: of the keys, that the challenger is to have; above 0, below 1."""
    if by_key.is_empty():
        return []
    by_key = by_key.sort("day", maintain_order=True)
    days = by_key["day"].unique().sort()
    look_N = np.searchsorted(days.to_physical().to_numpy(), by_key["day"].to_physical().to_numpy())
    entered = Entered(look_N=look_N, num_looks=len(days))
    table = table_of(by_key, entered)
    differences, relatives = intervals(table, config)
    ratios = _ratios(table, share, config.alpha_ratio)
    return [
        AbDay(
            end_ns=(date_number + 1) * DAY_NS,
            days=place + 1,
            champion=_arm(table, CHAMPION, place),
            challenger=_arm(table, CHALLENGER, place),
            difference=differences[place],
            relative=relatives[place],
            ratio=ratios[place],
        )
        for place, date_number in enumerate(days.to_physical().to_list())
    ]


def table_of(by_key: pl.DataFrame, entered: Entered) -> Table:
    """Sums until the end of each day: of the kernel's names, and of each arm its distinct keys and fallbacks."""
    is_ours_N = by_key["arm"].to_numpy() == ROLE_CHALLENGER
    number = by_key.height
    rows = CellRows(
        is_challenger_N=is_ours_N,
        weight_N=np.ones(number),
        user_N=by_key["key"].rank("dense").to_numpy(),
        unit_N=np.arange(number),
        clicked_N=by_key["clicks"].to_numpy(),
        creative_N=None,
    )
    views_N = by_key["views"].to_numpy().astype(np.float64)
    found = counted(rows, entered) | summed(rows, entered, {"w": views_N, "y": by_key["worth"].to_numpy()})
    once = {"keys": by_key["key"].is_first_distinct().to_numpy(), "fell_back": by_key["fell_back"].to_numpy()}
    for arm, here_N in ((CHAMPION, ~is_ours_N), (CHALLENGER, is_ours_N)):
        found |= {f"{arm}/{name}": entered.sums(np.where(here_N, value_N, 0)) for name, value_N in once.items()}
    return found


def intervals(table: Table, config: AbConfig) -> tuple[list[Interval | None], list[Interval | None]]:
    """At each look: the difference a thousand page views, and as a share of the champion's figure (by its logarithm)."""
    with np.errstate(divide="ignore", invalid="ignore"):
        champions_D = table[f"{CHAMPION}/y"] / table[f"{CHAMPION}/w"]
        plain = _bounded(estimated(table, a_view, DIFFERENCE), config.effect * np.abs(champions_D), config.alpha)
        logarithmic = _bounded(estimated(table, log_a_view, DIFFERENCE), np.log1p(config.effect), config.alpha)
        return _shown(plain * THOUSAND), _shown(np.expm1(logarithmic))


def _bounded(found: Estimated, scale: np.ndarray | float, alpha: float) -> np.ndarray:
    """float64 [3, D]: estimate, low, high; NaN where the error is not known. `scale`: of the mixture over the effect."""
    known_D = np.isfinite(found.value) & np.isfinite(found.error) & (found.error > 0)
    error_D = np.where(known_D, found.error, np.nan)
    half_D = bound(alpha / 2, np.nan_to_num((scale / error_D) ** 2)) * error_D
    return np.array([found.value, found.value - half_D, found.value + half_D])


def _shown(bounds: np.ndarray) -> list[Interval | None]:
    return [
        Interval(estimate=middle, low=low, high=high) if np.isfinite([middle, low, high]).all() else None
        for middle, low, high in bounds.T.tolist()
    ]


def _ratios(table: Table, share: float, alpha: float) -> list[RatioVerdict]:
    """A mismatch that was seen once stays, with the figures that showed it: more keys cannot undo it."""
    found: list[RatioVerdict] = []
    for champion, challenger in zip(table[f"{CHAMPION}/keys"], table[f"{CHALLENGER}/keys"], strict=True):
        if found and found[-1].is_mismatch:
            found.append(found[-1])
        else:
            found.append(sample_ratio(0, share, int(champion), int(challenger), alpha))
    return found


def _arm(table: Table, arm: str, place: int) -> ArmSoFar:
    views, worth = float(table[f"{arm}/w"][place]), float(table[f"{arm}/y"][place])
    counts = {name: int(table[f"{arm}/{name}"][place]) for name in ("keys", "fell_back", "clicks")}
    return ArmSoFar(views=int(views), figure=THOUSAND * worth / views if views else None, **counts)


def a_view(table: Table, arm: str) -> tuple[np.ndarray, Mapping[str, np.ndarray]]:
    """Worth by page views."""
    value = table[f"{arm}/y"] / table[f"{arm}/w"]
    return value, {"y": 1 / table[f"{arm}/w"], "w": -value / table[f"{arm}/w"]}


def log_a_view(table: Table, arm: str) -> tuple[np.ndarray, Mapping[str, np.ndarray]]:
    worth, views = table[f"{arm}/y"], table[f"{arm}/w"]
    return np.log(worth / views), {"y": 1 / worth, "w": -1 / views}
