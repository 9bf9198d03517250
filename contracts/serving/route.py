"""The route: the one small file that says which release answers, and what a challenger beside it gets (docs/routing.md).

`serving/native/routing/` reads the same text in C, and computes the same bucket of a key.
"""

import hashlib
import re
from dataclasses import dataclass, fields
from decimal import Decimal
from pathlib import Path
from typing import Literal, get_args

FORMAT, NAME = 1, "route"  # of the text; the file in a store of releases
ROUTING_KEY = "routing_key"  # parameter of a request, a text: whose it is; all of theirs are answered by one arm
RELEASE = "release"  # parameter, a whole number: the release that shall answer, if it is open; the request is in no experiment
MOST_BYTES = 4096
BUCKETS = 1_000_000  # of routing keys
LONGEST_KEY = 256  # bytes
LONGEST_MS = 3_600_000  # that a request may wait
NO_ROUTE = 0
UNTIL = "valid_until"
Mode = Literal["off", "shadow", "canary", "ab"]
SALT = re.compile("[0-9a-f]{8,64}")
WHOLE = re.compile("0|[1-9][0-9]{0,17}")  # one spelling of a number: the digest is of the text
NUMBER = re.compile(r"(0|[1-9][0-9]{0,8})(\.[0-9]{0,8}[1-9])?")


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What a challenger may do before its fuse blows. Ratios are of challenger by champion on the same rows."""

    timeout_ms: int  # a request waits no longer for it
    max_p99_ms: int  # from being handed over to its answer
    max_error_share: Decimal  # 0 to 1, of its requests: errors, refusals that the champion would not give
    max_timeout_share: Decimal  # 0 to 1
    max_mean_ratio: Decimal  # 1 or more; mean prediction, and its inverse
    min_distinct_ratio: Decimal  # 0 to 1; distinct answers
    max_slowdown: Decimal  # 1 or more; computing time


@dataclass(frozen=True, kw_only=True)
class Trial:
    """A challenger, and what it gets."""

    challenger: int
    share_ppm: int  # of the keys' buckets that it answers; 0 in mode shadow
    shadow_ppm: int  # of the keyed requests whose other arm computes too
    salt: str  # 8 to 64 hexadecimal digits, new for each rollout
    valid_until_ms: int  # since 1970; then the champion answers
    limits: Limits


@dataclass(frozen=True, kw_only=True)
class Route:
    """Raises ValueError, with one sentence, if it does not fit together."""

    champion: int
    mode: Mode = "off"
    trial: Trial | None = None  # None if mode is off

    def __post_init__(self) -> None:
        if (self.mode == "off") != (self.trial is None):
            raise ValueError(f"a route of mode {self.mode} has {'no' if self.trial is None else 'a'} challenger")
        if self.trial is None:
            return
        if self.trial.challenger == self.champion:
            raise ValueError(f"champion and challenger are both release {self.champion}; a challenger is another release")
        if self.mode == "shadow" and self.trial.share_ppm:
            raise ValueError(f"in mode shadow the challenger answers nobody, got share {percent(self.trial.share_ppm)}")
        if not SALT.fullmatch(self.trial.salt):
            raise ValueError(f"salt: expected 8 to 64 hexadecimal digits, got '{self.trial.salt}'")

    @property
    def digest(self) -> int:
        """Of all but `valid_until`, so that a route that is renewed is the same; never `NO_ROUTE`."""
        decided = "".join(line for line in text_of(self).splitlines(keepends=True) if not line.startswith(f"{UNTIL} "))
        return int.from_bytes(hashlib.sha256(decided.encode()).digest()[:8], "big")

    def answers(self, key: bytes) -> Literal["champion", "challenger"]:
        """The arm of a routing key while the challenger is open, the route valid and its fuse whole."""
        is_challenged = self.trial is not None and bucket(self.trial.salt, key) < self.trial.share_ppm
        return "challenger" if is_challenged else "champion"


def bucket(salt: str, key: bytes) -> int:
    """0 to 999,999, evenly: of a key always the same under a salt, and under another salt another."""
    return _of(salt, key, 0)


def shadow_bucket(salt: str, key: bytes) -> int:
    """Another such number, which says nothing of the first: by it shadow work is drawn."""
    return _of(salt, key, 8)


def _of(salt: str, key: bytes, place: int) -> int:
    digest = hashlib.sha256(salt.encode() + b"\0" + key).digest()
    return int.from_bytes(digest[place : place + 8], "big") * BUCKETS >> 64


def text_of(route: Route) -> str:
    """The file's content."""
    lines = [f"format {FORMAT}", f"champion {route.champion}"]
    trial = route.trial
    lines += [f"challenger {trial.challenger}"] if trial is not None else []
    lines.append(f"mode {route.mode}")
    if trial is not None:
        lines += [
            f"share {percent(trial.share_ppm)}",
            f"shadow {percent(trial.shadow_ppm)}",
            f"salt {trial.salt}",
            f"{UNTIL} {trial.valid_until_ms}",
            *(f"{limit.name} {_spelt(getattr(trial.limits, limit.name))}" for limit in fields(Limits)),
        ]
    return "".join(f"{line}\n" for line in [*lines, "end"])


def parse(text: str) -> Route:
    """The route that a text says. Raises ValueError, which names the line, for what `text_of` could not have written."""
    if len(text.encode()) > MOST_BYTES:
        raise ValueError(f"a route has at most {MOST_BYTES} bytes, got {len(text.encode())}")
    lines = _Lines(text)
    lines.take("format", str(FORMAT))
    champion = lines.whole("champion", 1)
    challenger = lines.whole("challenger", 1) if lines.is_next("challenger") else None
    mode = lines.take("mode", *get_args(Mode))
    trial = None if challenger is None else _trial(lines, challenger)
    lines.take_end()
    return Route(champion=champion, mode=mode, trial=trial)  # type: ignore[arg-type]  # it is one of them


def read_route(path: Path) -> Route | None:
    """The route in force as far as the file goes; None if there is none. Raises ValueError if it is broken."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    try:
        return parse(content.decode())
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def percent(ppm: int) -> str:
    """Millionths as percent, without needless zeros."""
    return _spelt(Decimal(ppm) / 10_000)


def ppm_of(text: str) -> int:
    """Millionths of a percentage with at most four decimals, 0 to 100. Raises ValueError."""
    try:
        found = Decimal(text) * 10_000
    except ArithmeticError:
        raise ValueError(f"expected a percentage from 0 to 100, got '{text}'") from None
    if not found.is_finite() or not 0 <= found <= BUCKETS or found != int(found):
        raise ValueError(f"expected a percentage from 0 to 100 with at most 4 decimals, got '{text}'")
    return int(found)


def _spelt(number: int | Decimal) -> str:
    text = f"{number:f}" if isinstance(number, Decimal) else str(number)
    return text.rstrip("0").rstrip(".") if "." in text else text


class _Lines:
    """Lines `key value`, taken in order. All raise ValueError."""

    def __init__(self, text: str) -> None:
        self._lines, self._at = text.split("\n"), 0

    def is_next(self, key: str) -> bool:
        return self._at < len(self._lines) and self._lines[self._at].startswith(f"{key} ")

    def take(self, key: str, *allowed: str) -> str:
        if not self.is_next(key):
            raise self._wrong(f"'{key} ...'")
        value = self._lines[self._at].removeprefix(f"{key} ")
        if allowed and value not in allowed:
            raise self._wrong(f"'{key} {'|'.join(allowed)}'")
        self._at += 1
        return value

    def whole(self, key: str, low: int, high: int | None = None) -> int:
        value = self.take(key)
        if not WHOLE.fullmatch(value) or int(value) < low or (high is not None and int(value) > high):
            bounds = f"from {low} on" if high is None else f"from {low} to {high}"
            raise self._wrong(f"'{key}' and a whole number {bounds}", back=1)
        return int(value)

    def number(self, key: str, low: int, high: int) -> Decimal:
        value = self.take(key)
        if not NUMBER.fullmatch(value) or not low <= Decimal(value) <= high:
            raise self._wrong(f"'{key}' and a number from {low} to {high}", back=1)
        return Decimal(value)

    def share(self, key: str) -> int:
        value = self.number(key, 0, 100)
        if value * 10_000 != int(value * 10_000):
            raise self._wrong(f"'{key}' and a percentage with at most 4 decimals", back=1)
        return int(value * 10_000)

    def take_end(self) -> None:
        if self._lines[self._at :] != ["end", ""]:
            raise self._wrong("'end', and nothing behind it")

    def _wrong(self, expected: str, back: int = 0) -> ValueError:
        at = self._at - back
        found = f"'{self._lines[at][:60]}'" if at < len(self._lines) else "nothing"
        return ValueError(f"line {at + 1}: expected {expected}, got {found}")


def _trial(lines: _Lines, challenger: int) -> Trial:
    share_ppm, shadow_ppm, salt = lines.share("share"), lines.share("shadow"), lines.take("salt")
    valid_until_ms = lines.whole(UNTIL, 0)
    limits = Limits(
        timeout_ms=lines.whole("timeout_ms", 1, LONGEST_MS),
        max_p99_ms=lines.whole("max_p99_ms", 1, LONGEST_MS),
        max_error_share=lines.number("max_error_share", 0, 1),
        max_timeout_share=lines.number("max_timeout_share", 0, 1),
        max_mean_ratio=lines.number("max_mean_ratio", 1, 1000),
        min_distinct_ratio=lines.number("min_distinct_ratio", 0, 1),
        max_slowdown=lines.number("max_slowdown", 1, 1000),
    )
    return Trial(
        challenger=challenger, share_ppm=share_ppm, shadow_ppm=shadow_ppm, salt=salt, valid_until_ms=valid_until_ms, limits=limits
    )
