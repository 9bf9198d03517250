"""Who answers a request, as the route says; serving/native/routing/ chooses the same of the same request."""

from dataclasses import dataclass
from typing import Any

from contracts.serving.route import LONGEST_KEY, RELEASE, ROUTING_KEY, Route, bucket, shadow_bucket
from serving.triton.journal.layout import CHALLENGER, CHALLENGER_OFF, CHAMPION, KEY_SENT, NONE, RELEASE_ASKED
from serving.triton.refusal import Refused, quoted

PARAMETERS = ROUTING_KEY, RELEASE
ARM_NAMES = {NONE: "none", CHAMPION: "champion", CHALLENGER: "challenger"}


@dataclass(frozen=True, kw_only=True)
class Chosen:
    """What the route says of a request."""

    release: int  # that is to answer
    arm: int  # what the route assigned; NONE: it is in no experiment
    bucket: int | None  # None if it has no key, or nobody challenges
    flags: int
    key: bytes | None  # as it came by parameter
    shadow_bucket: int | None  # None: the other arm does not compute it too


@dataclass(frozen=True, kw_only=True)
class Asking:
    """What a request says of who shall answer it."""

    release: int | None
    parameter: bytes | None  # its routing key by parameter
    entity: bytes  # of its first row; b"" if there is none

    @property
    def key(self) -> bytes:
        return self.entity if self.parameter is None else self.parameter


NOTHING = Asking(release=None, parameter=None, entity=b"")


def asking(parameters: dict[str, Any], entity: bytes) -> Asking:
    """Raises Refused."""
    return Asking(release=asked_release(parameters), parameter=sent_key(parameters), entity=entity)


def choose(route: Route, asked: Asking, is_on: bool) -> Chosen:
    """`is_on`: the challenger is open, its route valid and its fuse whole."""
    release = route.champion if asked.release is None else asked.release
    trial, key = route.trial, asked.parameter
    if trial is None:
        return Chosen(release=release, arm=NONE, bucket=None, flags=0, key=key, shadow_bucket=None)
    if asked.release is not None:
        return Chosen(release=release, arm=NONE, bucket=None, flags=RELEASE_ASKED, key=key, shadow_bucket=None)
    place = bucket(trial.salt, asked.key) if asked.key else None
    flags = (0 if is_on else CHALLENGER_OFF) | (0 if key is None else KEY_SENT)
    if place is None or not is_on:
        return Chosen(release=release, arm=NONE, bucket=place, flags=flags, key=key, shadow_bucket=None)
    is_challenged = place < trial.share_ppm
    return Chosen(
        release=trial.challenger if is_challenged else release,
        arm=CHALLENGER if is_challenged else CHAMPION,
        bucket=place,
        flags=flags,
        key=key,
        shadow_bucket=shadow_bucket(trial.salt, asked.key),
    )


def refuse_unless_open(asked: int | None, releases: list[int]) -> None:
    """Raises Refused for a release that is none of these."""
    if asked is not None and asked not in releases:
        raise not_open(asked, ", ".join(map(str, sorted(releases))))


def not_open(asked: int, releases: str) -> Refused:
    return Refused(RELEASE, f"release {asked} is not open; open are {releases}")


def sent_key(parameters: dict[str, Any]) -> bytes | None:
    """The routing key that came as a parameter. Raises Refused."""
    sent = parameters.get(ROUTING_KEY)
    if sent is None:
        return None
    try:
        key = sent.encode() if isinstance(sent, str) else b""
    except UnicodeEncodeError:  # half of a surrogate pair, which JSON can spell
        key = b""
    if not 1 <= len(key) <= LONGEST_KEY or b"\0" in key:
        short = ascii(sent[:40]) if isinstance(sent, str) else quoted(sent)
        raise Refused(ROUTING_KEY, f"parameter '{ROUTING_KEY}' is {short}, expected a text of 1 to {LONGEST_KEY} bytes in UTF-8")
    return key


def asked_release(parameters: dict[str, Any]) -> int | None:
    """Raises Refused."""
    sent = parameters.get(RELEASE)
    if sent is not None and (not isinstance(sent, int) or isinstance(sent, bool) or sent < 1):
        raise Refused(RELEASE, f"parameter '{RELEASE}' is {quoted(sent)}, expected the number of a release that is open")
    return sent
