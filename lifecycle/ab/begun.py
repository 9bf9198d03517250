"""The A/B tests that a store's log of routes knows: routes of mode `ab`, with the same two releases, salt and share."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import groupby
from pathlib import Path
from typing import Any

from contracts.serving.fuse import Fuse, read_fuse
from contracts.serving.release_log import read
from contracts.serving.route import BUCKETS, NAME, Route, parse, read_route

FIRST_DIGITS = 8  # of a salt, in a name
DEPLOYED = ("release", "rollback")  # events after which the champion answers all, by a route that has no line of its own


@dataclass(frozen=True, kw_only=True)
class AbTest:
    """Routes that give the same users to the same releases. What else a route says may have changed meanwhile."""

    champion: int
    challenger: int
    salt: str
    share_ppm: int  # of the routing keys' buckets that the challenger answers
    digests: tuple[int, ...]  # of its routes
    from_ns: int
    until_ns: int | None  # another route came, or a deployment; None: it is in force
    who: str
    why: str
    before: tuple[str, ...] = ()  # shares that the same salt had before: users who have seen both

    @property
    def name(self) -> str:
        return f"{self.challenger}-{self.salt[:FIRST_DIGITS]}-{self.share:g}"

    @property
    def share(self) -> float:
        """In percent."""
        return 100 * self.share_ppm / BUCKETS


@dataclass(frozen=True, kw_only=True)
class _Logged:
    route: Route
    place: int  # of its line in the log
    line: dict[str, Any]


def ab_tests(store: Path) -> list[AbTest]:
    """All of them, the oldest first. Raises ValueError if the log is of another version."""
    lines = read(store)[0]
    logged = [_Logged(route=parse(line["text"]), place=place, line=line) for place, line in enumerate(lines) if line.get("text")]
    runs = [list(run) for _, run in groupby(logged, key=lambda one: _alike(one.route))]
    ends = sorted({run[0].place for run in runs} | {place for place, line in enumerate(lines) if line.get("event") in DEPLOYED})
    tests = []
    for number, run in enumerate(runs):
        if run[0].route.mode == "ab":
            end = next((_ns(lines[place]["time"]) for place in ends if place > run[-1].place), None)
            tests.append(_test(run, end, [one[0].route for one in runs[:number]]))
    in_force = _in_force(store)
    return [replace(one, until_ns=None) if in_force in one.digests else one for one in tests]


def chosen(tests: Sequence[AbTest], name: str | None, store: Path) -> AbTest:
    """The newest, or the one of that name. Raises ValueError if there is none."""
    fitting = [one for one in tests if name in (None, one.name)]
    if fitting:
        return fitting[-1]
    if not tests:
        raise ValueError(
            f'{store}/ has seen no A/B test; begin one of release 13 on half of the users: make route SET="ab 13 50"'
        )
    raise ValueError(f"{store}/ has seen no A/B test '{name}'; there are {', '.join(one.name for one in tests)}")


def fuses_of(test: AbTest, store: Path) -> list[Fuse]:
    """Of its routes, those that have blown."""
    return [fuse for digest in test.digests if (fuse := read_fuse(store, digest)) is not None]


def _alike(route: Route) -> tuple[Any, ...]:
    trial = route.trial
    return (route.champion, route.mode, *(() if trial is None else (trial.challenger, trial.salt, trial.share_ppm)))


def _test(run: Sequence[_Logged], until_ns: int | None, before: Sequence[Route]) -> AbTest:
    first = run[0].route
    assert first.trial is not None
    earlier = [
        f"{route.mode} {100 * route.trial.share_ppm / BUCKETS:g} %"
        for route in before
        if route.trial is not None and route.trial.salt == first.trial.salt and route.trial.share_ppm
    ]
    return AbTest(
        champion=first.champion,
        challenger=first.trial.challenger,
        salt=first.trial.salt,
        share_ppm=first.trial.share_ppm,
        digests=tuple(dict.fromkeys(one.route.digest for one in run)),
        from_ns=_ns(run[0].line["time"]),
        until_ns=until_ns,
        who=str(run[0].line.get("by", "")),
        why="; ".join(run[0].line.get("reasons", ())),
        before=tuple(dict.fromkeys(earlier)),
    )


def _in_force(store: Path) -> int | None:
    """Digest of the route; None if there is none, or it cannot be read."""
    try:
        now = read_route(store / NAME)
    except ValueError:
        return None
    return None if now is None else now.digest


def _ns(instant: str) -> int:
    at = datetime.fromisoformat(instant)
    return int(at.timestamp()) * 10**9 + at.microsecond * 1000
