"""The `live` section of `params.yaml`: how months are played against the running server, and what is made to go wrong."""

from typing import Literal

from pydantic import ConfigDict, Field, model_validator
from pydantic.dataclasses import dataclass

STRICT = ConfigDict(extra="forbid", allow_inf_nan=False)
Policy = Literal["all", "top1_of_k"]
FaultKind = Literal[
    "drift", "new_site", "dark_images", "bot",  # of the world
    "broken_hour", "cents", "empty_column",  # of clients, which send something else than what happened
    "stopped_feed",  # of who passes events on
]  # fmt: skip
WORLD: tuple[FaultKind, ...] = ("drift", "new_site", "dark_images", "bot")
CLIENTS: tuple[FaultKind, ...] = ("broken_hour", "cents", "empty_column")
SIZED: tuple[FaultKind, ...] = ("drift", "dark_images", "broken_hour", "cents")  # what `size` says differs: conf/live/<kind>.yaml


@dataclass(frozen=True, kw_only=True, config=STRICT)
class FaultConfig:
    """What goes wrong from a date on."""

    kind: FaultKind
    from_day: float = Field(ge=1)  # day of the first played month at which it begins; 1.5 is noon of the first
    share: float = Field(gt=0, le=1)  # of page views, of new creatives (dark_images) or of clients that have it
    size: float | None  # how large, in the unit that the fault's file names; None where there is no such thing
    over_days: float = Field(ge=0)  # until it has its size, of drift; 0: at once
    column: str | None  # that clients spoil
    site: str | None  # value of site_id where clients spoil it; None: everywhere

    @model_validator(mode="after")
    def _fits_together(self) -> "FaultConfig":
        if (self.size is None) == (self.kind in SIZED):
            raise ValueError(f"fault {self.kind} {'needs a' if self.kind in SIZED else 'has no'} size")
        if (self.column is None) == (self.kind in CLIENTS):
            raise ValueError(f"fault {self.kind} {'needs a' if self.kind in CLIENTS else 'has no'} column")
        if self.kind == "dark_images" and not 0 <= (self.size or 0.0) <= 1:
            raise ValueError(f"size of dark_images is the share of its light that a pixel keeps, 0 to 1, got {self.size}")
        return self


@dataclass(frozen=True, kw_only=True, config=STRICT)
class LabelsConfig:
    """How events come back."""

    click_after_s: float = Field(gt=0)  # mean seconds from being shown to the click
    median_h: float = Field(gt=0)  # half of the events are passed on within so many hours; the others later
    spread: float = Field(ge=0, le=5)  # standard deviation of the logarithm of that delay, which is log-normal
    twice_share: float = Field(ge=0, le=1)  # events that are passed on a second time, after another delay
    never_share: float = Field(ge=0, le=1)  # shown rows of which neither event is ever passed on
    days_after: int = Field(ge=0, le=366)  # days that the feed goes on after the last page view


@dataclass(frozen=True, kw_only=True, config=STRICT)
class DrillConfig:
    """A candidate that is broken on purpose, made of the one that is served: a rollout has to find out."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    sentence: str = Field(min_length=1)  # what is wrong with it, for people: behind "the model that is served, but ..."
    kind: Literal["scaled_odds", "other_ids", "slow"]
    size: float = Field(gt=0)  # factor of the odds; rows away in the table of learnt vectors; products of matrices
    column: str | None  # whose `values` are affected; None: all rows
    values: tuple[str, ...]
    weekday: bool  # the column is the day of the week: affected are the days that the shadow step does not see

    @model_validator(mode="after")
    def _fits_together(self) -> "DrillConfig":
        if (self.weekday == bool(self.values) and self.column is not None) or (
            self.column is None and (self.values or self.weekday)
        ):
            raise ValueError(f"drill {self.name}: a column goes with its values, or with weekday: true, which finds them")
        return self


@dataclass(frozen=True, kw_only=True, config=STRICT)
class LiveConfig:
    folder: str = Field(min_length=1)  # page views, journal, events and months
    months: int = Field(ge=1, le=120)  # that are played, from the one after the last of exchange.months on
    pages_per_month: int = Field(ge=1, le=10**7)  # page views
    candidates: int = Field(ge=1, le=1000)  # creatives that a page view asks about
    policy: Policy  # which of them are shown: all, or the one with the highest p_click
    month_minutes: float = Field(gt=0)  # of the machine, in which a month of 30 days passes
    start_s: float = Field(ge=0)  # of the machine, that a server of its own is given to start before the first page view
    in_flight: int = Field(ge=1, le=256)  # requests that are asked at a time
    images: Literal["unknown", "all"]  # of which creatives images are sent along: those that the model does not know, or all
    labels: LabelsConfig
    after_day: tuple[tuple[str, ...], ...]  # commands, run in this order with the same clock when a day is over
    fault: FaultConfig | None
    drills: tuple[
        DrillConfig, ...
    ]  # in this order, when a candidate that was trained meanwhile is served (lifecycle/live/drills)

    @property
    def rate(self) -> int:
        """Seconds of the clock in one of the machine."""
        return max(1, round(30 * 24 * 60 / self.month_minutes))
