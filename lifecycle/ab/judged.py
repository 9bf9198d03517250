"""What an A/B test says: refused, too early, no difference that is sure, or which release does better."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from contracts.lifecycle.ab import AbConfig
from lifecycle.ab.begun import AbTest
from lifecycle.ab.keys import AbRows
from lifecycle.ab.sequence import AbDay, sequence
from lifecycle.rollout.judgement import Interval

AbVerdict = Literal["refused", "early", "open", "challenger", "champion"]
CheckState = Literal["ok", "waits", "refused", "unknown"]
SEEN = 1000  # page views, from which on it is judged whether keys come back


@dataclass(frozen=True, kw_only=True)
class AbCheck:
    """One condition of the comparison."""

    name: str
    found: str
    needed: str
    state: CheckState


@dataclass(frozen=True, kw_only=True)
class AbJudgement:
    verdict: AbVerdict
    sentence: str
    checks: tuple[AbCheck, ...]
    days: tuple[AbDay, ...]  # all whole days with final labels
    told: tuple[AbDay, ...]  # those whose interval may be looked at; none if the comparison is refused


def judged(test: AbTest, rows: AbRows, config: AbConfig) -> AbJudgement:
    """Of all that is final."""
    share = test.share_ppm / 1_000_000
    if not 0 < share < 1:
        check = AbCheck(name="share", found=f"{test.share:g} %", needed="above 0 and below 100 %", state="refused")
        return AbJudgement(verdict="refused", sentence=_because([check]), checks=(check,), days=(), told=())
    days = sequence(rows.by_key, share, config)
    checks = tuple(_checks(rows, days, config))
    refused = [one for one in checks if one.state == "refused"]
    if refused:
        return AbJudgement(verdict="refused", sentence=_because(refused), checks=checks, days=tuple(days), told=())
    told = tuple(day for day in days if not _missing(day, config))
    if not told:
        lacking = _missing(days[-1], config) if days else ["no day has final labels yet"]
        sentence = f"too early to say anything: {', '.join(lacking)}"
        return AbJudgement(verdict="early", sentence=sentence, checks=checks, days=tuple(days), told=())
    verdict, sentence = _in_words(told[-1].difference, told[-1].relative, "worth of clicks" if config.value else "clicks")
    return AbJudgement(verdict=verdict, sentence=sentence, checks=checks, days=tuple(days), told=told)


def _in_words(difference: Interval | None, relative: Interval | None, what: str) -> tuple[AbVerdict, str]:
    """The verdict of an interval, and its sentence."""
    if difference is None:
        return "open", f"nothing is known of the difference in {what}"
    shown = (signed(value) for value in (difference.estimate, difference.low, difference.high))
    figures = "{} a thousand page views {} ({} to {})".format(what, *shown)
    figures += "" if relative is None else f", {relative.estimate:+.1%} ({relative.low:+.1%} to {relative.high:+.1%})"
    if difference.low > 0:
        return "challenger", f"the challenger does better: {figures}"
    if difference.high < 0:
        return "champion", f"the champion does better: {figures}"
    return "open", f"no difference that is sure: {figures}"


def _checks(rows: AbRows, days: Sequence[AbDay], config: AbConfig) -> Iterator[AbCheck]:
    yield _returning(rows, config)
    yield _in_both(rows, config)
    if not days:
        return
    last = days[-1]
    ratio = last.ratio
    total = ratio.champion + ratio.challenger
    yield AbCheck(
        name="share of the keys",
        found=f"{ratio.challenger:,} of {total:,} keys are the challenger's, {ratio.challenger / max(total, 1):.2%}; "
        f"e-value {ratio.e_value:.3g}",
        needed=f"{ratio.expected:.2%} by the route; e-value below {1 / config.alpha_ratio:,.0f}",
        state="refused" if ratio.is_mismatch else "ok",
    )
    lacking = _missing(last, config)
    yield AbCheck(
        name="enough to say something",
        found=f"{last.days} days, {min(last.champion.keys, last.challenger.keys):,} keys and "
        f"{min(last.champion.clicks, last.challenger.clicks):,} clicks of the smaller arm",
        needed=f"{config.days} days, {config.keys:,} keys and {config.clicks:,} clicks",
        state="waits" if lacking else "ok",
    )


def _returning(rows: AbRows, config: AbConfig) -> AbCheck:
    """Keys that each come once are numbers somebody drew: the same user is in the other arm at the next page view."""
    views, keys = int(rows.by_key["views"].sum()), rows.by_key["key"].n_unique()
    name, needed = "keys are users", f"{config.least_returning:.1%} of the page views or more have a key that came before"
    if views == 0 and rows.unkeyed:
        found = f"the journal does not say whose the {rows.unkeyed:,} page views are"
        return AbCheck(name=name, found=found, needed=needed, state="refused")
    share = 1 - keys / views if views else 0.0
    state: CheckState = "waits" if views < SEEN else "refused" if share < config.least_returning else "ok"
    found = f"{keys:,} keys for {views:,} page views: {share:.1%} came before"
    return AbCheck(name=name, found=found + (", they were drawn" if state == "refused" else ""), needed=needed, state=state)


def _in_both(rows: AbRows, config: AbConfig) -> AbCheck:
    """A user under several keys may be in both arms."""
    name, needed = "users are in one arm", f"at most {config.max_in_both:.2%} of them in both"
    if not rows.entities:
        found = "the journal has no column with role entity; only the caller knows whether a key is a user"
        return AbCheck(name=name, found=found, needed=needed, state="unknown")
    share = rows.in_both / rows.entities
    found = f"{rows.in_both:,} of {rows.entities:,} users in both arms: {share:.2%}"
    return AbCheck(name=name, found=found, needed=needed, state="refused" if share > config.max_in_both else "ok")


def _missing(day: AbDay, config: AbConfig) -> list[str]:
    arms = (day.champion, day.challenger)
    found = [
        (day.days, config.days, "days with final labels"),
        (min(arm.keys for arm in arms), config.keys, "keys of the smaller arm"),
        (min(arm.clicks for arm in arms), config.clicks, "clicks of the smaller arm"),
    ]
    return [f"{has:,} of {needs:,} {what}" for has, needs, what in found if has < needs]


def _because(refused: Sequence[AbCheck]) -> str:
    return "refused: " + "; ".join(f"{one.found} ({one.needed})" for one in refused)


def signed(value: float) -> str:
    """Three digits that count, with their sign: +12.3, -0.0450."""
    digits = max(0, 2 - math.floor(math.log10(abs(value)))) if value else 0
    return f"{value:+,.{digits}f}"
