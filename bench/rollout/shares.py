"""Shares of rollouts with their intervals, as figures."""

from collections.abc import Sequence

from scipy import stats

from bench.figures import Figure

CONFIDENCE = 0.95


def interval(count: int, of: int) -> tuple[float, float]:
    """Of a chance (Clopper and Pearson, "The use of confidence or fiducial limits", Biometrika 26, 1934), 95 %."""
    tail = (1 - CONFIDENCE) / 2
    low = float(stats.beta.ppf(tail, count, of - count + 1)) if count else 0.0
    high = float(stats.beta.ppf(1 - tail, count + 1, of - count)) if count < of else 1.0
    return low, high


def shown(count: int, of: int) -> str:
    low, high = interval(count, of)
    return f"{count:,} of {of:,} ({low:.2%} to {high:.2%})"


def at_most(what: str, happened: Sequence[bool], bar: float) -> Figure:
    count, of = sum(happened), len(happened)
    return Figure(what=what, figure=shown(count, of), bar=f"<= {bar * 100:g} %", met=count <= bar * of)


def at_least(what: str, happened: Sequence[bool], bar: float) -> Figure:
    count, of = sum(happened), len(happened)
    return Figure(what=what, figure=shown(count, of), bar=f">= {bar * 100:g} %", met=count >= bar * of)
