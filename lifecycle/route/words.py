"""What `make route SET="..."` asks for, word by word."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from contracts.serving.route import ppm_of

Verb = Literal["off", "renew", "share", "shadow", "canary", "ab"]
USAGE = 'SET="shadow 13", "canary 13 5", "ab 13 50" (release, percent), "share 10", "renew" or "off"'
RELEASE = re.compile("[1-9][0-9]{0,8}")
TIME = re.compile("([1-9][0-9]{0,6})([smhd])")
SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
LONGEST_S = 30 * 86400


@dataclass(frozen=True, kw_only=True)
class Change:
    """Of the route."""

    verb: Verb
    challenger: int | None = None
    share_ppm: int | None = None  # None: as it is
    shadow_ppm: int | None = None  # None: as it is, or as the configuration says


def change_of(words: Sequence[str]) -> Change:
    """Raises ValueError, which says what may be asked for."""
    match words:
        case ["off" | "renew" as verb]:
            return Change(verb=verb)
        case ["share", share]:
            return Change(verb="share", share_ppm=ppm_of(share))
        case ["share", share, "shadow", shadow]:
            return Change(verb="share", share_ppm=ppm_of(share), shadow_ppm=ppm_of(shadow))
        case ["shadow", release]:
            return Change(verb="shadow", challenger=_release(release), share_ppm=0)
        case ["shadow", release, shadow]:
            return Change(verb="shadow", challenger=_release(release), share_ppm=0, shadow_ppm=ppm_of(shadow))
        case ["canary" | "ab" as verb, release, share]:
            return Change(verb=verb, challenger=_release(release), share_ppm=ppm_of(share))
        case ["canary" | "ab" as verb, release, share, "shadow", shadow]:
            return Change(verb=verb, challenger=_release(release), share_ppm=ppm_of(share), shadow_ppm=ppm_of(shadow))
    raise ValueError(f"expected {USAGE}; got '{' '.join(words)}'")


def seconds_of(text: str) -> int:
    """Of a time such as 90s, 10m, 1h or 2d. Raises ValueError."""
    found = TIME.fullmatch(text)
    seconds = int(found[1]) * SECONDS[found[2]] if found else 0
    if not 1 <= seconds <= LONGEST_S:
        raise ValueError(f"FOR: expected a time such as 90s, 10m, 1h or 2d, at most {LONGEST_S // 86400}d, got '{text}'")
    return seconds


def _release(text: str) -> int:
    if not RELEASE.fullmatch(text):
        raise ValueError(f"expected the number of a release, got '{text}'; `make releases` lists them")
    return int(text)
