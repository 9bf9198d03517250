"""Which units of time the windows of a look have: the last so many rows, the last so many hours.

Shape letters: U units, T looks.
"""

from dataclasses import dataclass

import numpy as np

FEWEST_ROWS = 500  # of a window
DAY_H = 24


@dataclass(frozen=True, kw_only=True)
class Spans:
    """One kind of window at each look: the units from `start_T` to before `end_T`."""

    name: str
    start_T: np.ndarray
    end_T: np.ndarray
    is_there_T: np.ndarray  # has the window its rows
    days_T: np.ndarray  # whole days that it is, 0 for parts of a day


def spans_of(
    hour_U: np.ndarray, rows_U: np.ndarray, end_T: np.ndarray, windows_rows: tuple[int, ...], windows_h: tuple[int, ...]
) -> list[Spans]:
    """The windows at looks after `end_T` units."""
    total = np.concatenate([[0], np.cumsum(rows_U)])
    found = []
    for number, rows in enumerate(windows_rows):
        start_T = np.maximum(np.searchsorted(total, total[end_T] - rows, side="right") - 1, 0)
        enough_T = total[end_T] >= (rows if number else FEWEST_ROWS)
        found.append(_spans(f"{rows} rows", start_T, end_T, enough_T, np.zeros_like(end_T)))
        days_T = (hour_U[end_T - 1] - hour_U[start_T] + 1) // DAY_H
        if number == len(windows_rows) - 1:
            found.append(_last_hours(f"days of {rows} rows", hour_U, total, end_T, np.maximum(days_T, 1) * DAY_H))
    found += [_last_hours(f"{hours} h", hour_U, total, end_T, np.full_like(end_T, hours)) for hours in windows_h]
    return found


def _last_hours(name: str, hour_U: np.ndarray, total: np.ndarray, end_T: np.ndarray, hours_T: np.ndarray) -> Spans:
    start_T = np.searchsorted(hour_U, hour_U[end_T - 1] - hours_T, side="right")
    is_whole_T = hour_U[end_T - 1] - hours_T >= hour_U[0] - 1
    enough_T = is_whole_T & (total[end_T] - total[start_T] >= FEWEST_ROWS)
    return _spans(name, start_T, end_T, enough_T, hours_T // DAY_H)


def _spans(name: str, start_T: np.ndarray, end_T: np.ndarray, is_there_T: np.ndarray, days_T: np.ndarray) -> Spans:
    return Spans(name=name, start_T=start_T, end_T=end_T, is_there_T=is_there_T, days_T=days_T)


def summed(values_U: np.ndarray, start_T: np.ndarray, end_T: np.ndarray) -> np.ndarray:
    """Sums over the units of each look."""
    total = np.concatenate([np.zeros_like(values_U[:1]), np.cumsum(values_U, axis=0)])
    return total[end_T] - total[start_T]
