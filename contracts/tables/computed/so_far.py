"""Columns that are counted over the rows before: how many impressions or clicks a key had earlier, by time alone.

A row counts from the instant after its own, and later where a delay is declared; rows of one instant do not see each other, and
it does not matter in which order, or in which month's file, rows lie.

Shape letters: N rows of the history, Q rows that are asked about, T instants.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import polars as pl

from contracts.dataset.columns import Column, Role
from contracts.dataset.declaration import Declaration

CODE = "__code"
MOST_NUMBERS = 2**62  # that keys and instants together are numbered by


@dataclass(kw_only=True)
class KeyCounts:
    """Rows by their keys in some columns, as they come in; then impressions and clicks of each key before any instant."""

    per: tuple[str, ...]
    keys: pl.DataFrame | None = None  # each once, with CODE
    code_N: list[np.ndarray] = field(default_factory=list)
    time_N: list[np.ndarray] = field(default_factory=list)  # microseconds
    impressions_N: list[np.ndarray] = field(default_factory=list)
    clicks_N: list[np.ndarray] = field(default_factory=list)

    def add(self, rows: pl.DataFrame, time_N: np.ndarray, impressions_N: np.ndarray, clicks_N: np.ndarray) -> None:
        """Take rows of the history; one that lacks a key counts for none."""
        keys = rows.select(self.per)
        found = keys.drop_nulls().unique(maintain_order=True)
        start = 0 if self.keys is None else len(self.keys)
        new = found if self.keys is None else found.join(self.keys, on=list(self.per), how="anti", maintain_order="left")
        numbered = new.with_columns(pl.Series(CODE, np.arange(start, start + len(new)), dtype=pl.Int64))
        self.keys = numbered if self.keys is None else pl.concat([self.keys, numbered])
        code_Q = self._codes(keys)
        is_there = code_Q >= 0
        self.code_N.append(code_Q[is_there])
        self.time_N.append(time_N[is_there])
        self.impressions_N.append(impressions_N[is_there])
        self.clicks_N.append(clicks_N[is_there])

    def close(self) -> None:
        """Put the rows in order, which `before` looks them up by. No row comes after."""
        code_N, time_N, impressions_N, clicks_N = (
            np.concatenate([np.empty(0, dtype=np.int64), *parts])
            for parts in (self.code_N, self.time_N, self.impressions_N, self.clicks_N)
        )
        self.code_N = self.time_N = self.impressions_N = self.clicks_N = []
        self._instant_T = np.unique(time_N)
        self._width = len(self._instant_T) + 1
        if (len(self.keys) if self.keys is not None else 0) * self._width > MOST_NUMBERS:
            raise ValueError(f"so_far.per {', '.join(self.per)}: more keys and instants than can be numbered; use coarser times")
        place_N = code_N * self._width + np.searchsorted(self._instant_T, time_N)
        order = np.argsort(place_N, kind="stable")
        self._place_N = place_N[order]
        self._impressions = np.concatenate([[0], np.cumsum(impressions_N[order])])
        self._clicks = np.concatenate([[0], np.cumsum(clicks_N[order])])

    def before(self, rows: pl.DataFrame, time_Q: np.ndarray, delay_us: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Impressions and clicks of each row's key before its time less the delay, int64 [Q]; and has the row a key, bool [Q]."""
        keys = rows.select(self.per)
        code_Q = self._codes(keys)
        first_Q = code_Q * self._width
        start_Q = np.searchsorted(self._place_N, first_Q)
        end_Q = np.searchsorted(self._place_N, first_Q + np.searchsorted(self._instant_T, time_Q - delay_us))
        end_Q = np.where(code_Q < 0, start_Q, end_Q)
        has_key_Q = keys.select(pl.all_horizontal(pl.all().is_not_null())).to_series().to_numpy()
        return self._impressions[end_Q] - self._impressions[start_Q], self._clicks[end_Q] - self._clicks[start_Q], has_key_Q

    def _codes(self, keys: pl.DataFrame) -> np.ndarray:
        """Each row's number, -1 where the key is missing or not known."""
        if self.keys is None:
            return np.full(len(keys), -1, dtype=np.int64)
        return keys.join(self.keys, on=list(self.per), how="left", maintain_order="left")[CODE].fill_null(-1).to_numpy()


class SoFarColumns:
    """The declared columns that are counted so far, over the rows of a history."""

    def __init__(self, declaration: Declaration, history: Iterable[pl.DataFrame]) -> None:
        """`history` are clean rows, in any order; a frame needs `read_by(declaration)` alone."""
        assert declaration.time is not None  # the declaration says so
        self.columns, self._time = declaration.so_far, declaration.time.name
        pers = (column.so_far.per for column in self.columns if column.so_far is not None)
        self._counted = {per: KeyCounts(per=per) for per in dict.fromkeys(pers)}
        for rows in history:
            outcome = _outcome(rows, declaration)
            for counted in self._counted.values():
                counted.add(rows, self._times(rows), *outcome)
        for counted in self._counted.values():
            counted.close()

    @property
    def read(self) -> tuple[str, ...]:
        """Names of the columns that `of` reads."""
        return tuple(dict.fromkeys([self._time, *(name for per in self._counted for name in per)]))

    def of(self, rows: pl.DataFrame) -> list[pl.Series]:
        """The columns of clean rows."""
        time_Q = self._times(rows)
        return [self._column(column, rows, time_Q) for column in self.columns]

    def _column(self, column: Column, rows: pl.DataFrame, time_Q: np.ndarray) -> pl.Series:
        so_far = column.so_far
        assert so_far is not None
        impressions_Q, clicks_Q, has_key_Q = self._counted[so_far.per].before(rows, time_Q, so_far.delay_us)
        if so_far.smoothing is not None and so_far.prior is not None:
            found_Q = (clicks_Q + so_far.smoothing * so_far.prior) / (impressions_Q + so_far.smoothing)
        else:
            found_Q = clicks_Q if so_far.count == "clicks" else impressions_Q
        return (
            pl.DataFrame({"": found_Q, "has_key": has_key_Q}).select(pl.when("has_key").then("").alias(column.name)).to_series()
        )

    def _times(self, rows: pl.DataFrame) -> np.ndarray:
        return rows[self._time].dt.epoch("us").to_numpy()


def read_by(declaration: Declaration) -> list[str]:
    """Names of the columns that a history is made of."""
    roles: tuple[Role, ...] = ("time", "label", "clicks", "impressions")
    by_role = [column.name for role in roles for column in declaration.by_role(role)]
    keys = [name for column in declaration.so_far if column.so_far is not None for name in column.so_far.per]
    return list(dict.fromkeys([*by_role, *keys]))


def history_of(files: Iterable[Path], declaration: Declaration) -> Iterable[pl.DataFrame]:
    """What a history needs of files of clean rows, one after the other."""
    return (pl.read_parquet(path, columns=read_by(declaration)) for path in files)


def _outcome(rows: pl.DataFrame, declaration: Declaration) -> tuple[np.ndarray, np.ndarray]:
    """Impressions that each row stands for, and clicks."""
    clicks_N = rows[declaration.label.name].cast(pl.Int64).to_numpy()
    if declaration.impressions is None:
        return np.ones(len(rows), dtype=np.int64), clicks_N
    return rows[declaration.impressions.name].fill_null(1).cast(pl.Int64).to_numpy(), clicks_N
