"""Explanations of different numbers: another unit, a shift, rounding."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np

from contracts.dataset.columns import Column
from lifecycle.monitor.skew.causes.cause import DifferentPairs, SkewCause

FACTORS = (10, 100, 1000, 1e4, 1e6, 1e9, 60, 3600, 86400, 24, 7, 1024)  # and one by each: cents, thousands, minutes, days, KiB
FEW = 3  # distinct values that it takes to tell a factor or a shift
FLOAT32 = 2.0**-22  # relative difference of values that were once float32, times two


@dataclass(frozen=True, kw_only=True)
class Cycle:
    """Of a column that begins again: hours after 23 are 0."""

    part: str
    length: int


def cycle_of(column: Column) -> Cycle | None:
    """By what the column is derived from, else by its bounds: whole numbers 0 to 23 are hours, 0 to 6 and 1 to 7 weekdays."""
    if column.dtype != "int":
        return None
    bounds = (column.min, column.max)
    if column.part == "hour" or bounds == (0, 23):
        return Cycle(part="hour", length=24)
    if column.part == "weekday" or bounds in ((0, 6), (1, 7)):
        return Cycle(part="day", length=7)
    return Cycle(part="month", length=12) if column.part == "month" or bounds == (1, 12) else None


def number_causes(pairs: DifferentPairs) -> Iterator[SkewCause]:
    """`pairs` have a number on both sides."""
    file_N, served_N = (side.cast(float).to_numpy().astype(np.float64) for side in (pairs.file, pairs.served))
    if not len(file_N):
        return
    few = len(np.unique(file_N)) < FEW
    if len(np.unique(served_N)) == 1 and not few:
        yield SkewCause(kind="constant", text=f"always {served_N[0]:g}", share=1.0)
    cycle = cycle_of(pairs.column)
    if cycle is not None:
        yield _cyclic(file_N, served_N, cycle)
        return
    if not few:
        yield from _factor(file_N, served_N)
        yield from _offset(file_N, served_N)
    yield from _rounding(file_N, served_N)


def _cyclic(file_N: np.ndarray, served_N: np.ndarray, cycle: Cycle) -> SkewCause:
    """The commonest shift; in a month in which clocks are changed, the two commonest, one hour apart."""
    shifts, counts = np.unique((served_N - file_N) % cycle.length, return_counts=True)
    order = np.argsort(-counts)
    best, share = [shifts[order[0]]], counts[order[0]] / counts.sum()
    if len(order) > 1 and cycle.part == "hour" and (shifts[order[0]] - shifts[order[1]]) % 24 in (1, 23) and share < 1:
        best, share = sorted([best[0], shifts[order[1]]]), share + counts[order[1]] / counts.sum()
    signed = [int(s) - cycle.length * (s > cycle.length / 2) for s in best]
    told = " or ".join(f"{s:+d}" for s in signed)
    zone = ": a local time, not UTC or the other way round" if cycle.part == "hour" else ""
    plural = "" if signed in ([1], [-1]) else "s"
    return SkewCause(kind="offset", text=f"that of the file {told} {cycle.part}{plural}{zone}", share=float(share))


def _factor(file_N: np.ndarray, served_N: np.ndarray) -> Iterator[SkewCause]:
    usable = (file_N != 0) & (served_N != 0)
    if not usable.any():
        return
    ratio_N = served_N[usable] / file_N[usable]
    middle = float(np.median(ratio_N))
    known = [float(f) for f in FACTORS] + [1 / f for f in FACTORS] + [-1.0]
    factor = next((f for f in known if abs(middle / f - 1) < 1e-3), middle)
    step = 0.5 if (served_N == np.floor(served_N)).all() else 0.0  # whole numbers were rounded
    near = np.abs(served_N[usable] - factor * file_N[usable]) <= step + 1e-5 * np.abs(served_N[usable])
    share = float(near.sum()) / len(file_N)
    if abs(factor - 1) > 1e-4:
        shown = f"{factor:g}" if factor >= 1 or factor < 0 else f"1/{1 / factor:g}"
        what = ": another unit, such as cents" if factor in (100.0, 0.01, 1000.0, 0.001) else ""
        yield SkewCause(kind="unit", text=f"that of the file times {shown}{what}", share=share)


def _offset(file_N: np.ndarray, served_N: np.ndarray) -> Iterator[SkewCause]:
    shift_N = served_N - file_N
    middle = float(np.median(shift_N))
    near = np.abs(shift_N - middle) <= 1e-5 * np.maximum(np.abs(served_N), abs(middle))
    if middle:
        yield SkewCause(kind="offset", text=f"that of the file {middle:+g}", share=float(near.mean()))


def _rounding(file_N: np.ndarray, served_N: np.ndarray) -> Iterator[SkewCause]:
    scale = np.maximum(np.abs(file_N), np.abs(served_N))
    if (np.abs(file_N - served_N) <= FLOAT32 * scale).mean() == 1:
        yield SkewCause(kind="rounding", text="that of the file but for the last digit of a float32", share=1.0)
        return
    for name, rounded in _roundings():
        for whose, source, target in (("the file's value", file_N, served_N), ("the value before the file", served_N, file_N)):
            share = float((np.abs(rounded(source) - target) <= FLOAT32 * scale).mean())
            if share:
                what = f"{whose} {name}" if whose == "the file's value" else f"more exact: the file has it {name}"
                yield SkewCause(kind="rounding", text=what, share=share)


def _roundings() -> Iterator[tuple[str, Callable[[np.ndarray], np.ndarray]]]:
    yield "cut off to a whole number", np.trunc
    for digits in range(5):
        yield f"rounded to {digits} decimals", partial(_decimals, digits)
    yield "as a 16-bit float", _half


def _decimals(digits: int, values: np.ndarray) -> np.ndarray:
    return np.round(values, digits)


def _half(values: np.ndarray) -> np.ndarray:
    with np.errstate(over="ignore"):
        return values.astype(np.float16).astype(np.float64)
