"""Numbers as a reader wants them: rounded, with their interval, and a dash with its reason where there is none."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from markupsafe import Markup, escape

DIGITS = {
    "auc": 4,
    "log_loss": 5,
    "normalised_entropy": 4,
    "ece": 5,
    "observed_over_predicted": 3,
    "learnable_share": 3,
    "learnable_share_expected": 3,
    "ctr": 4,
}


def count(number: int) -> str:
    return f"{number:,}"


def percent(share: float | None, digits: int = 2) -> str:
    return "–" if share is None else f"{100 * share:.{digits}f} %"


def minute(time: str | int | None) -> str:
    """An ISO time to the minute; anything else as it is, such as the row numbers of a split by row."""
    if time is None:
        return "–"
    text = str(time)
    return f"{text[:10]} {text[11:16]}" if len(text) >= 16 and text[10] in "T " else text


def estimate(one: Mapping[str, Any] | None, metric: str, *, signed: bool = False) -> Markup:
    """Value over its interval; where one is missing, a dash whose tooltip is the reason."""
    if one is None:
        return Markup("–")
    digits, sign = DIGITS[metric], "+" if signed else ""
    reason = escape(one.get("reason", ""))
    if one["value"] is None:
        return Markup('<span class="none" title="{}">–</span>').format(reason)
    value = f"{one['value']:{sign}.{digits}f}"
    if one["low"] is None:
        return Markup('{} <span class="none" title="{}">no interval</span>').format(value, reason)
    low, high = f"{one['low']:{sign}.{digits}f}", f"{one['high']:{sign}.{digits}f}"
    return Markup('{} <span class="interval">[{}, {}]</span>').format(value, low, high)


def flat(params: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    """Nested parameters as sorted (dotted name, value) pairs."""
    pairs: list[tuple[str, str]] = []
    for key in sorted(params):
        value, name = params[key], f"{prefix}{key}"
        if isinstance(value, Mapping):
            pairs += flat(value, f"{name}.")
        else:
            pairs.append((name, ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)))
    return pairs
