"""The `monitor` section of `params.yaml`: what is watched, and what a warning may cost."""

from pydantic import ConfigDict, Field, model_validator
from pydantic.dataclasses import dataclass

STRICT = ConfigDict(extra="forbid", allow_inf_nan=False)


@dataclass(frozen=True, kw_only=True, config=STRICT)
class QualityShares:
    """Which part of the error of quality each kind of finding may spend; together 1."""

    calibration: float = Field(gt=0, lt=1)  # clicks by predictions of all rows
    log_loss: float = Field(gt=0, lt=1)  # log-loss by what the predictions expect of it
    normalised_entropy: float = Field(gt=0, lt=1)
    slices: float = Field(gt=0, lt=1)  # clicks by predictions of slices
    creep: float = Field(gt=0, lt=1)  # of slices over weeks
    baseline: float = Field(gt=0, lt=1)  # against a smoothed click rate of the creative

    @model_validator(mode="after")
    def _are_all(self) -> "QualityShares":
        total = sum(getattr(self, name) for name in self.__dataclass_fields__)
        if abs(total - 1) > 1e-9:
            raise ValueError(f"the shares must add up to 1, got {total:g}")
        return self


@dataclass(frozen=True, kw_only=True, config=STRICT)
class QualityMargins:
    """How large a difference from the promise has to be, beside being beyond chance; shares of what was promised."""

    calibration: float = Field(gt=0)  # clicks, either way
    log_loss: float = Field(gt=0)
    normalised_entropy: float = Field(gt=0)
    slices: float = Field(gt=0)  # clicks of a slice, beyond those of all rows
    creep: float = Field(gt=0)  # the same, over the weeks that are looked at
    baseline: float = Field(ge=0)  # log-loss above the baseline's


@dataclass(frozen=True, kw_only=True, config=STRICT)
class QualityConfig:
    """How rows with final labels are judged."""

    error: float = Field(gt=0, lt=1)  # chance of any warning in a month in which nothing has changed
    page_error: float = Field(gt=0, lt=1)  # of any page
    shares: QualityShares
    short_share: float = Field(gt=0, lt=1)  # of each, for the new days alone; the rest is for the long window
    look_rows: int = Field(ge=1000)  # labelled rows that a look waits for; it ends with a day
    window_rows: int = Field(ge=1000)  # of the long window, about
    min_clicks: int = Field(ge=100)  # of a window that is judged
    slice_clicks: int = Field(ge=10)  # expected of a slice's value that is judged
    warning: QualityMargins
    page: QualityMargins
    creep_weeks: int = Field(ge=3)  # over which the drift of slices is looked at
    prior_rows: float = Field(gt=0)  # rows of the mean click rate that a creative's own rate is smoothed with
    confidence: float = Field(gt=0, lt=1)  # of the intervals that are shown


@dataclass(frozen=True, kw_only=True, config=STRICT)
class SkewConfig:
    """How the month's file is compared with what was served."""

    warning: float = Field(gt=0, le=1)  # share of the rows in which a column is different, from which on it is a warning
    page: float = Field(gt=0, le=1)
    explained: float = Field(gt=0.5, le=1)  # share of the different rows that one explanation has to explain
    examples: int = Field(ge=1)  # rows that are shown of each column
    memory_mib: int = Field(ge=64)  # of the join; what does not fit goes to files


@dataclass(frozen=True, kw_only=True, config=STRICT)
class MonitorConfig:
    folder: str = Field(min_length=1)  # of windows, state and alerts
    every_s: float = Field(gt=0)  # between two looks of `make monitor --follow`, of the clock
    quality: QualityConfig
    skew: SkewConfig
