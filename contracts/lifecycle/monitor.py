"""The `monitor` section of `params.yaml`: what is watched, and what a warning may cost."""

from typing import Annotated

from pydantic import ConfigDict, Field, model_validator
from pydantic.dataclasses import dataclass

STRICT = ConfigDict(extra="forbid", allow_inf_nan=False)
Chance = Annotated[float, Field(gt=0, lt=1)]
Rows = Annotated[int, Field(ge=100)]


@dataclass(frozen=True, kw_only=True, config=STRICT)
class InputsConfig:
    """What a change of columns, images or predictions has to be before it is a warning."""

    windows_rows: tuple[Rows, ...] = Field(min_length=1)  # the last so many rows are looked at, ascending
    windows_h: tuple[Annotated[int, Field(ge=1)], ...]  # and those of the last so many hours
    block_rows: Rows  # an hour with more rows is looked at in blocks of so many
    history_rows: Rows  # rows that a release has answered before its windows are held against them
    history_days: int = Field(ge=1)  # and no longer ago
    warning_effect: Chance  # share of rows that has to be different
    page_effect: Chance
    warning_error: Chance  # chance of any warning in a month in which nothing changes
    page_error: Chance

    @model_validator(mode="after")
    def _fits_together(self) -> "InputsConfig":
        if list(self.windows_rows) != sorted(set(self.windows_rows)):
            raise ValueError(f"windows_rows must ascend, got {list(self.windows_rows)}")
        if self.page_effect < self.warning_effect or self.page_error > self.warning_error:
            raise ValueError("a page needs at least the effect of a warning, and at most its error")
        return self


@dataclass(frozen=True, kw_only=True, config=STRICT)
class MonitorConfig:
    folder: str = Field(min_length=1)  # of windows, state and alerts
    every_s: float = Field(gt=0)  # between two looks of `make monitor --follow`, of the clock
    inputs: InputsConfig
