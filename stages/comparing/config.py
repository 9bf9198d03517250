"""Section `compare` of the configuration. Defaults: conf/compare/."""

from typing import Literal

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from contracts.dataset.columns import check_slices
from contracts.dataset.declaration import Declaration

STRICT = ConfigDict(extra="forbid", allow_inf_nan=False)
Proof = Literal["better", "not_worse"]


@dataclass(frozen=True, kw_only=True, config=STRICT)
class CompareConfig:
    """What a candidate must be beside the champion, and which differences are suspicious."""

    need: Proof  # what a candidate must be to pass
    margin: float = Field(ge=0, lt=1)  # of the champion's log-loss, that a candidate's may be above it
    unproven: Literal["not_worse", "worse"]  # the verdict where the interval lies on both sides of the margin
    too_good: float = Field(gt=0, lt=1)  # of the champion's log-loss; a larger fall is taken for a leak
    sensitivity: float = Field(gt=0, lt=1)  # of a column's worth to the champion, that a candidate may lose
    watch: Literal["auto"] | tuple[str, ...]  # slices whose values may each veto; auto: as evaluate.slices
    watch_margin: float = Field(ge=0, lt=1)  # as margin, of one value of a watched slice
    max_gap_growth: float = Field(ge=0)  # of the gap between a slice's values in log(observed / predicted)
    min_train_rows: float = Field(ge=0, le=1)  # of the champion's training rows, that a candidate must have
    max_gap_days: float = Field(ge=0)  # between the last training row and the first test row, beyond the champion's
    sampled_rows: int = Field(ge=100)  # test rows whose columns are shuffled
    num_resamples: int = Field(ge=100)  # bootstrap replicates
    seed: int = Field(ge=0)


def check_comparison(config: CompareConfig, declaration: Declaration) -> None:
    """Raise ValueError where the configuration watches what the data set does not have."""
    if config.watch != "auto":
        check_slices("compare.watch", config.watch, declaration.columns)
