"""The `lifecycle` section of `params.yaml`: when another model is made, how, and at what cost."""

from typing import Literal

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

STRICT = ConfigDict(extra="forbid", allow_inf_nan=False)
SPAN = r"^[1-9][0-9]{0,3}(h|d|mo)$"
Trigger = Literal["new_month", "drift", "quality"]
Start = Literal["scratch", "champion"]


@dataclass(frozen=True, kw_only=True, config=STRICT)
class RetrainingConfig:
    folder: str = Field(min_length=1)  # a folder a training, and what was spent
    every: str = Field(pattern=SPAN + "|^never$")  # after the last model's data end
    triggers: tuple[Trigger, ...]  # what else begins a training
    cool_down: str = Field(pattern=SPAN)  # after a training, before another one begins
    start: Start  # initial weights
    overrides: tuple[str, ...]  # of conf/, as of `make experiment`: what a training does otherwise
    rows: int = Field(ge=1)  # mature labelled rows, at least
    earlier_months: int = Field(ge=0)  # of data/clean, before the first that was served
    budget_core_hours: float = Field(gt=0)  # in a calendar month of the clock
    longest_h: float = Field(gt=0)  # of the machine
    nice: int = Field(ge=0, le=19)


@dataclass(frozen=True, kw_only=True, config=STRICT)
class LoopConfig:
    """Seconds are of the clock, but for `timeout_s`, which is of the machine."""

    folder: str = Field(min_length=1)  # what each job printed last, and how it ended
    page: str = Field(min_length=1)  # the monitor's
    journal_s: float = Field(gt=0)  # between two runs
    feedback_s: float = Field(gt=0)
    retraining_s: float = Field(gt=0)
    timeout_s: float = Field(gt=0)  # of one run, after which it is ended
    alert_failures: int = Field(ge=1)  # runs of a job that fail one after the other, until that is an alert


@dataclass(frozen=True, kw_only=True, config=STRICT)
class LifecycleConfig:
    commit: bool  # does `make promote` commit the champion's pointer by itself
    retraining: RetrainingConfig
    loop: LoopConfig
