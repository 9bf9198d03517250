"""The `monitor` section of `params.yaml`: what is watched, and what a warning may cost."""

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

STRICT = ConfigDict(extra="forbid", allow_inf_nan=False)


@dataclass(frozen=True, kw_only=True, config=STRICT)
class MonitorConfig:
    folder: str = Field(min_length=1)  # of windows, state and alerts
    every_s: float = Field(gt=0)  # between two looks of `make monitor --follow`, of the clock
