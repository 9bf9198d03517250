"""Labelled rows of one release as arrays, with all that the figures are made of.

Shape letters: N rows.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import polars as pl

from lifecycle.monitor.findings import Looked
from lifecycle.monitor.quality.labelled import SLICE
from lifecycle.monitor.quality.promise import Promised, stratum_of
from lifecycle.monitor.quality.statistics.clusters import effective
from lifecycle.monitor.quality.statistics.figures import entropy, row_loss

USERS, CREATIVES = "users", "creatives"


@dataclass(frozen=True, kw_only=True)
class QualityRows:
    label_N: np.ndarray  # float64, 0 and 1
    p_N: np.ndarray  # float64
    units: Mapping[str, np.ndarray]  # codes of users and creatives, as far as rows have them
    stratum_N: np.ndarray  # text
    slices: Mapping[str, tuple[np.ndarray, list[str]]]  # code of each row, and what the codes mean
    start_ns: int
    end_ns: int

    def __len__(self) -> int:
        return len(self.label_N)

    @property
    def clicks(self) -> float:
        return float(self.label_N.sum())

    @property
    def predicted(self) -> float:
        return float(self.p_N.sum())

    @cached_property
    def loss_N(self) -> np.ndarray:
        return row_loss(self.label_N, self.p_N)

    @cached_property
    def own_loss_N(self) -> np.ndarray:
        """What each prediction expects of its log-loss."""
        return entropy(self.p_N)

    @cached_property
    def floor(self) -> float:
        """The variance of the number of clicks by Poisson's, if rows are for themselves."""
        return float((self.p_N * (1 - self.p_N)).sum() / max(self.predicted, 1e-12))

    @cached_property
    def looked(self) -> Looked:
        return Looked(start_ns=self.start_ns, end_ns=self.end_ns, rows=len(self), entities=self.num_users)

    @property
    def num_users(self) -> float | None:
        codes = self.units.get(USERS)
        return None if codes is None else effective(np.bincount(codes[codes >= 0]))


def quality_rows(frame: pl.DataFrame, promised: Promised) -> QualityRows:
    """Of rows as `labelled.rows_of` gives them; the frame is not empty."""
    units = {USERS: "user", CREATIVES: "creative"}
    ids_N = frame["creative_id"].fill_null(0).to_numpy()
    has_ids = frame["creative_id"].null_count() < len(frame)
    return QualityRows(
        label_N=frame["clicked"].cast(pl.Float64).to_numpy(),
        p_N=frame["p"].to_numpy(),
        units={name: _codes(frame[column]) for name, column in units.items() if frame[column].null_count() < len(frame)},
        stratum_N=stratum_of(ids_N, promised) if has_ids else np.full(len(frame), "", dtype=object),
        slices={name.removeprefix(SLICE): _values(frame[name]) for name in frame.columns if name.startswith(SLICE)},
        start_ns=int(frame["at_ns"].min()),  # type: ignore[arg-type]
        end_ns=int(frame["at_ns"].max()) + 1,  # type: ignore[arg-type]
    )


def _codes(units: pl.Series) -> np.ndarray:
    """A number from 0 on for each unit; -1 for none."""
    codes = units.rank("dense").cast(pl.Int64) - 1
    return codes.fill_null(-1).to_numpy()


def _values(texts: pl.Series) -> tuple[np.ndarray, list[str]]:
    values = texts.unique().sort().to_list()
    codes = texts.replace_strict(values, list(range(len(values))), return_dtype=pl.Int64)
    return codes.to_numpy(), values
