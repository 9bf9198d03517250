"""Recomputes every verdict that was kept: from the rows that it rested on, or, where they are gone, from the look's own sums."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, is_dataclass
from datetime import UTC, datetime
from math import isclose, isfinite
from typing import Any, Literal

from contracts.lifecycle.rollout import RolloutConfig
from lifecycle.rollout.control.files import Decision
from lifecycle.rollout.judgement import Judgement

TOLERANCE = 1e-9
Way = Literal["rows", "sums", "neither"]
FromSums = Callable[[Mapping[str, float], RolloutConfig], Judgement]


@dataclass(frozen=True, kw_only=True)
class Audited:
    """A kept verdict, recomputed."""

    decision: Decision
    way: Way
    difference: str  # empty: it comes out the same

    @property
    def is_same(self) -> bool:
        return not self.difference

    def line(self, rollout: str) -> str:
        """What a person reads of it."""
        judgement = self.decision.judgement
        assert judgement is not None  # it was recomputed
        at = f"{rollout} {datetime.fromtimestamp(judgement.until_ns / 1e9, UTC):%Y-%m-%d %H:%M}"
        outcome = f"the same, from {self.way}" if self.is_same else f"DIFFERS (from {self.way}): {self.difference}"
        return f"{at} {self.decision.action}, {judgement.rows:,} rows, {judgement.verdict}: {outcome}"


def audited(
    decisions: Sequence[Decision], from_rows: Sequence[Judgement], from_sums: FromSums, config: RolloutConfig
) -> list[Audited]:
    """Of every decision that rests on a judgement. `from_rows`: the looks that the rows give today."""
    today = {judgement.until_ns: judgement for judgement in from_rows}
    return [_audited(one, one.judgement, today, from_sums, config) for one in decisions if one.judgement is not None]


def _audited(
    decision: Decision, kept: Judgement, today: Mapping[int, Judgement], from_sums: FromSums, config: RolloutConfig
) -> Audited:
    found = today.get(kept.until_ns)
    if found is not None and found.rows == kept.rows and not _lacks_keys(kept, found):
        return Audited(decision=decision, way="rows", difference=difference(kept, found))
    if not kept.sums:
        return Audited(decision=decision, way="neither", difference="its rows are gone, and no sums were kept")
    return Audited(decision=decision, way="sums", difference=difference(kept, from_sums(kept.sums, config), only_verdict=True))


def _lacks_keys(kept: Judgement, found: Judgement) -> bool:
    """Are users gone of whom no row had a label: no arm has more routing keys than it had, and one has fewer."""
    now = {one.step: (one.champion, one.challenger) for one in found.ratios}
    pairs = [pair for one in kept.ratios for pair in zip((one.champion, one.challenger), now.get(one.step, (0, 0)), strict=True)]
    return all(left <= was for was, left in pairs) and any(left < was for was, left in pairs)


def difference(kept: Judgement, found: Judgement, only_verdict: bool = False) -> str:
    """Where they differ first, in words; empty if they are the same. Sums do not say in which words a verdict was put."""
    names = ("verdict",) if only_verdict else ("verdict", "rows", "metrics", "ratios", "sums")
    for name in names:
        place = _differs(_plain(getattr(kept, name)), _plain(getattr(found, name)), name)
        if place is not None:
            return place
    return ""


def _differs(kept: Any, found: Any, place: str) -> str | None:
    """The place of the first difference beyond rounding; None if there is none."""
    if isinstance(kept, Mapping) and isinstance(found, Mapping):
        if kept.keys() != found.keys():
            return f"{place}: it has {sorted(kept)}, and now {sorted(found)}"
        inner = (_differs(kept[name], found[name], f"{place}.{name}") for name in kept if name != "reason")
        return next((one for one in inner if one is not None), None)
    if isinstance(kept, list | tuple) and isinstance(found, list | tuple):
        if len(kept) != len(found):
            return f"{place}: there were {len(kept)}, and are {len(found)} now"
        inner = (_differs(one, other, f"{place}.{number}") for number, (one, other) in enumerate(zip(kept, found, strict=True)))
        return next((one for one in inner if one is not None), None)
    return None if _is_same(kept, found) else f"{place}: it was {kept}, and is {found} now"


def _is_same(kept: Any, found: Any) -> bool:
    if isinstance(kept, float) or isinstance(found, float):
        try:
            one, other = float(kept), float(found)
        except (TypeError, ValueError):
            return False
        if isfinite(one) and isfinite(other):
            return isclose(one, other, rel_tol=TOLERANCE, abs_tol=TOLERANCE)
        return one == other or (one != one and other != other)
    return bool(kept == found)


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value) if fields(value) else {}
    return [_plain(one) for one in value] if isinstance(value, list | tuple) else value
