"""The `rollout` section of `params.yaml`: how a challenger is tried, step by step, and what it must show to be promoted."""

from typing import Annotated, Literal

from pydantic import ConfigDict, Field, model_validator
from pydantic.dataclasses import dataclass

STRICT = ConfigDict(extra="forbid", allow_inf_nan=False)
Chance = Annotated[float, Field(gt=0, lt=0.5)]
Need = Literal["better", "not_worse"]


@dataclass(frozen=True, kw_only=True, config=STRICT)
class StepConfig:
    """One share of the traffic, for a while."""

    mode: Literal["shadow", "canary"]
    share: float = Field(ge=0, le=100)  # percent of the routing keys that the challenger answers; 0 in shadow
    days: float = Field(ge=0)  # of the clock, at least
    rows: int = Field(ge=0)  # final labelled rows of the step, at least: of the challenger's arm in canary, of all in shadow

    @model_validator(mode="after")
    def _fits_together(self) -> "StepConfig":
        if (self.share == 0) != (self.mode == "shadow"):
            raise ValueError(f"a step has share 0 if its mode is shadow, and only then; got {self.mode} with {self.share:g}")
        return self


@dataclass(frozen=True, kw_only=True, config=STRICT)
class RolloutConfig:
    folder: str = Field(min_length=1)  # one folder a rollout
    every_s: float = Field(gt=0)  # of the clock, between two looks
    valid_s: int = Field(ge=60, le=30 * 86400)  # of a route, from each look on
    need: Need  # what the challenger must be to be promoted
    margin: float = Field(gt=0, lt=1)  # log-loss above the champion's that counts as none, relative
    steps: tuple[StepConfig, ...] = Field(min_length=1)
    longest_days: float = Field(gt=0)  # of a rollout; then the champion stays
    gate: bool  # is the gate asked first
    alpha_promote: Chance  # each metric must pass at this level
    alpha_back: Chance  # shared by metrics and slices, any of which may send back
    alpha_ratio: Chance  # of each step
    look_rows: int = Field(ge=1)  # labelled rows between two looks at the evidence
    burn_in_units: int = Field(ge=1000)  # routing keys times days; asymptotic intervals do not hold before
    arm_units: int = Field(ge=30)  # of the challenger's arm
    arm_clicks: int = Field(ge=1)  # of either arm
    effect: float = Field(gt=0, lt=1)  # difference in log-loss, relative, for which the intervals are tightest
    calibration_margin: float = Field(gt=0)
    slices: tuple[str, ...] | Literal["auto"]
    slice_margin: float = Field(gt=0, lt=1)
    slice_rows: int = Field(ge=1)
    max_lacking: float = Field(ge=0, lt=1)
    hold_days: float = Field(gt=0)

    @model_validator(mode="after")
    def _fits_together(self) -> "RolloutConfig":
        shares = [step.share for step in self.steps]
        if shares != sorted(shares) or self.steps[-1].mode != "canary":
            raise ValueError(f"the shares of rollout.steps never fall, and the last step is a canary; got {shares}")
        if self.valid_s < 2 * self.every_s:
            raise ValueError(
                f"valid_s is at least twice every_s ({self.every_s:g}), or the route lapses between looks; got {self.valid_s}"
            )
        return self
