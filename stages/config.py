"""Configuration of the stages that need little of it."""

from typing import Annotated, Literal

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

Calibrate = Literal["none", "temperature", "isotonic"]
Rows = Annotated[int, Field(ge=1)]


@dataclass(frozen=True, kw_only=True, config=ConfigDict(extra="forbid", allow_inf_nan=False))
class ValidateConfig:
    max_share: float = Field(ge=0, le=1)  # of a partition's rows that may be quarantined before the stage fails


@dataclass(frozen=True, kw_only=True, config=ConfigDict(extra="forbid", allow_inf_nan=False))
class ExportConfig:
    batch_sizes: tuple[Annotated[int, Field(ge=1)], ...] = Field(
        min_length=1
    )  # rows a call when ONNX Runtime is compared with torch
    max_difference: float = Field(gt=0, le=1)  # of a probability, above which the stage fails
    calibrate: Calibrate  # how the logit becomes a probability; fitted on the validation rows, part of every graph
    fused_rows: Rows  # test rows on which ctr.onnx is compared at the small batch sizes
