"""Was each request answered by the arm that the route says for its key: found out after the run, from who answered whom, when.

An answer of the champion for a key of the challenger is right as often as the server has counted that it stepped in (fallback),
and wherever the challenger was off. Shape letters: A answers, K keys.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from contracts.serving.fuse import shown
from contracts.serving.route import BUCKETS, bucket
from loadtests.routes.watch import FUSE, Stretch, WatchedRoute
from loadtests.verdicts.latency import CONFIDENCE_Z, quantile
from loadtests.verdicts.samples import Window, within
from loadtests.verdicts.thresholds import Check

CHANGE_S = 1.0  # a route is in force within a second, and for so long both count
FALLBACK, SHADOW, TRIPS, UNKEYED = (
    "adclick_fallback_total",
    "adclick_shadow_total",
    "adclick_guard_trips_total",
    "adclick_unkeyed_total",
)
SHARE_Z = 4.0  # standard errors that a share may be off: one run in 16,000 is beyond that by chance
MOST_LAG_S = 3.0


@dataclass(frozen=True, kw_only=True)
class JudgedAnswers:
    """Which of the answers came from the arm they had to come from."""

    right_A: np.ndarray  # bool
    instead_A: np.ndarray  # bool, the champion's for a key of the challenger, while that took part

    @property
    def wrong(self) -> int:
        return int((~self.right_A & ~self.instead_A).sum())


@dataclass(frozen=True, kw_only=True)
class RouteShare:
    """The challenger's part of the keyed answers under one route."""

    route: str  # its digest
    expected: float  # by the route
    found: float  # by the answers: the challenger's, and those that the champion gave instead
    answers: int
    keys: int
    effective: float  # answers that would say as much if no two were of one key

    @property
    def interval(self) -> tuple[float, float]:
        """95 %, of the share that was found (Wilson 1927)."""
        z2, n, p = CONFIDENCE_Z**2, self.effective, self.found
        middle, half = (p + z2 / (2 * n)) / (1 + z2 / n), math.sqrt(p * (1 - p) / n + z2 / (4 * n**2))
        half *= CONFIDENCE_Z / (1 + z2 / n)
        return max(0.0, middle - half), min(1.0, middle + half)

    @property
    def most_off(self) -> float:
        """How far it may be off by chance: keys are drawn, so that their number is binomial."""
        spread = math.sqrt(self.expected * (1 - self.expected) / self.effective)
        return SHARE_Z * spread + (1 / self.effective if spread else 0.0)


@dataclass(frozen=True, kw_only=True)
class ArmsVerdict:
    """What a run says of its two arms."""

    checks: list[Check]
    facts: dict[str, Any]  # for the report


def judge_arms(answers: np.ndarray, keys: Sequence[str], watch: WatchedRoute, window: Window) -> ArmsVerdict:
    """Of all keyed answers of a run, KEYED."""
    judged = judge_answers(answers, keys, watch.stretches)
    found = shares(answers, keys, watch.stretches, sum(watch.counted.get(FALLBACK, {}).values()))
    return ArmsVerdict(checks=arm_checks(judged, found, watch), facts=arm_facts(answers, judged, found, watch, window))


def judge_answers(answers: np.ndarray, keys: Sequence[str], stretches: Sequence[Stretch]) -> JudgedAnswers:
    """Each of the answers, KEYED, against what was in force when it was asked and given, give or take a second."""
    right_A, instead_A = np.zeros(len(answers), dtype=bool), np.zeros(len(answers), dtype=bool)
    for place, stretch in enumerate(stretches):
        start_s = -np.inf if place == 0 else stretch.start_s
        end_s = np.inf if place == len(stretches) - 1 else stretch.end_s
        meets_A = (answers["sent_s"] - CHANGE_S <= end_s) & (answers["done_s"] + CHANGE_S >= start_s)
        is_challengers_A = challengers_keys(keys, stretch, answers[meets_A])[answers["key"]]
        by_champion_A, by_challenger_A = (answers["version"] == one for one in (stretch.champion, stretch.challenger))
        right_A |= meets_A & np.where(is_challengers_A, by_challenger_A, by_champion_A)
        instead_A |= meets_A & is_challengers_A & by_champion_A
    return JudgedAnswers(right_A=right_A, instead_A=instead_A & ~right_A)


def challengers_keys(keys: Sequence[str], stretch: Stretch, answers: np.ndarray) -> np.ndarray:
    """Which keys the challenger has to answer, bool [K]. Of a route that is not here: those that it did answer once."""
    if stretch.challenger is None or stretch.off:
        return np.zeros(len(keys), dtype=bool)
    if stretch.route is None or stretch.route.trial is None:
        answered = answers["key"][answers["version"] == stretch.challenger]
        return np.isin(np.arange(len(keys)), answered)
    trial = stretch.route.trial
    return np.array([bool(key) and bucket(trial.salt, key.encode()) < trial.share_ppm for key in keys], dtype=bool)


def shares(answers: np.ndarray, keys: Sequence[str], stretches: Sequence[Stretch], fallbacks: int) -> list[RouteShare]:
    """Of each route whose challenger took part, from the answers that were asked and given while nothing changed.

    `fallbacks`: so many answers of the champion are part of the challenger's share.
    """
    found: dict[str, list[np.ndarray]] = {}
    routes = {shown(one.route.digest): one for one in stretches if one.route is not None and one.route.trial is not None}
    no_key = [place for place, key in enumerate(keys) if not key]
    for place, stretch in enumerate(stretches):
        if stretch.route is None or stretch.route.trial is None or stretch.off:
            continue
        start_s = -np.inf if place == 0 else stretch.start_s + CHANGE_S
        end_s = np.inf if place == len(stretches) - 1 else stretch.end_s - CHANGE_S
        inside_A = (answers["sent_s"] >= start_s) & (answers["done_s"] <= end_s) & ~np.isin(answers["key"], no_key)
        found.setdefault(shown(stretch.route.digest), []).append(answers[inside_A])
    return [
        share_of(digest, routes[digest], keys, np.concatenate(parts), fallbacks)
        for digest, parts in found.items()
        if sum(map(len, parts))
    ]


def share_of(digest: str, stretch: Stretch, keys: Sequence[str], answers: np.ndarray, fallbacks: int) -> RouteShare:
    is_challengers_K = challengers_keys(keys, stretch, answers)
    instead_A = is_challengers_K[answers["key"]] & (answers["version"] == stretch.champion)
    by_challenger = int((answers["version"] == stretch.challenger).sum()) + min(int(instead_A.sum()), fallbacks)
    _, times = np.unique(answers["key"], return_counts=True)
    return RouteShare(
        route=digest,
        expected=stretch.route.trial.share_ppm / BUCKETS if stretch.route and stretch.route.trial else 0.0,
        found=by_challenger / len(answers),
        answers=len(answers),
        keys=len(times),
        effective=len(answers) ** 2 / float((times.astype(np.float64) ** 2).sum()),
    )


def arm_checks(judged: JudgedAnswers, found: Sequence[RouteShare], watch: WatchedRoute) -> list[Check]:
    """Of a whole run, its warm-up too."""
    counted = watch.counted.get(FALLBACK, {})
    instead, fallbacks = int(judged.instead_A.sum()), sum(counted.values())
    uncounted = max(0, instead - fallbacks)
    wrong = judged.wrong + uncounted
    reason = f"of {len(judged.right_A):,} answers; {instead:,} by the champion instead, {fallbacks:,} fallbacks counted"
    if unkeyed := sum(watch.counted.get(UNKEYED, {}).values()):
        reason += f"; {unkeyed:,} requests had no key for the server"
    checks = [Check(name="wrong_arm", measured=wrong, limit=0, reason=reason, shown=f"{wrong:,} answers")]
    for one in found:
        off, (low, high) = abs(one.found - one.expected), one.interval
        says = f"{one.found:.2%} [{low:.2%}, {high:.2%}] of {one.answers:,} answers to {one.keys:,} keys, route {one.route} says "
        reason = f"{says}{one.expected:.4g}"
        checks.append(Check(name="off_route_share", measured=off, limit=one.most_off, reason=reason, shown=f"{off:.2%}"))
    checks.append(fuse_check(watch))
    if watch.lag_s is not None:
        reason = "from when a new route was seen in its file until the server followed it"
        shown = f"{watch.lag_s:.1f} s"
        checks.append(Check(name="route_lag_s", measured=watch.lag_s, limit=MOST_LAG_S, reason=reason, shown=shown))
    return checks


def fuse_check(watch: WatchedRoute) -> Check:
    """Did a challenger hurt so much that it was put off during the run."""
    blown = [one for one in watch.stretches if one.off.startswith(FUSE)]
    seen = {one.off for one in blown} - {one.off for one in watch.stretches[:1]}
    trips = sum(watch.counted.get(TRIPS, {}).values())
    number = max(trips, len(seen))
    reason = "; ".join(sorted(seen)) or "by the server's own count"
    return Check(name="fuses_blown", measured=number, limit=0, reason=reason, shown=f"{number}")


def arm_facts(
    answers: np.ndarray, judged: JudgedAnswers, found: Sequence[RouteShare], watch: WatchedRoute, window: Window
) -> dict[str, Any]:
    """What the report shows, as plain JSON values: answers of the whole run, latencies of the measured window."""
    experiment, inside = watch.experiment, within(answers, window)
    versions, numbers = np.unique(answers["version"], return_counts=True)
    timed = {}
    for version in versions.tolist():
        some = inside[(inside["version"] == version) & inside["right"]]
        latency_ms = (some["done_s"] - some["intended_s"]) * 1e3
        timed[version] = {
            f"p{q}_ms": [one.ms, one.low_ms, one.high_ms] for q in (50, 99) for one in [quantile(latency_ms, q / 100)]
        }
    return {
        "champion": experiment.champion,
        "challenger": experiment.challenger,
        "answers": [
            {"version": version, "number": number, **timed[version]}
            for version, number in zip(versions.tolist(), numbers.tolist(), strict=True)
        ],
        "instead": int(judged.instead_A.sum()),
        "wrong": judged.wrong,
        "shares": [
            {"route": one.route, "expected": one.expected, "found": one.found, "interval": one.interval}
            | {"answers": one.answers, "keys": one.keys}
            for one in found
        ],
        "fallbacks": watch.counted.get(FALLBACK, {}),
        "shadows": watch.counted.get(SHADOW, {}),
        "off": off_times(watch.stretches, window),
    }


def off_times(stretches: Sequence[Stretch], window: Window) -> list[dict[str, Any]]:
    """When the challenger did not take part: seconds since the window's begin, and why."""
    return [
        {"from_s": round(one.start_s - window.start_s, 1), "to_s": round(one.end_s - window.start_s, 1), "why": one.off}
        for one in stretches
        if one.off
    ]
