"""The `monitor` section of `params.yaml`: what is watched, and what a warning may cost."""

from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import ConfigDict, Field, field_validator, model_validator
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
class AlertRule:
    """Which findings are told, to whom, and as how grave. Of the rules the first that fits a finding decides."""

    name: str = Field(pattern=r"^[a-z][a-z0-9-]*$")
    areas: tuple[str, ...] = Field(min_length=1)  # names of areas, or patterns: "*"
    kinds: tuple[str, ...] = Field(min_length=1)  # of findings, or patterns
    verdict: Literal["warning", "page"]  # the least that is told
    severity: Literal["info", "warning", "page"]
    min_rows: int = Field(ge=0)  # least evidence: rows of the finding's window
    owner: str = Field(min_length=1)  # whose business it is
    next_step: str | None  # what they do first; None: what the finding says


@dataclass(frozen=True, kw_only=True, config=STRICT)
class AlertsConfig:
    """Who is told of a finding, and how often (docs/alerts.md)."""

    command: tuple[str, ...]  # a program and its arguments, which gets each alert as JSON on its standard input; (): none
    timeout_s: float = Field(gt=0, le=600)  # of the machine: the command, or an answer of Alertmanager, takes no longer
    alertmanager: str | None  # its URL; None: none
    repeat_h: float = Field(gt=0)  # hours, of the clock, after which an alert that still holds is told again
    resolve_after_s: float = Field(ge=0)  # seconds, of the clock, for which a finding has to be gone before its alert ends
    rules: tuple[AlertRule, ...]

    @field_validator("alertmanager")
    @classmethod
    def _is_an_address(cls, url: str | None) -> str | None:
        if url is not None and not (urlsplit(url).scheme in ("http", "https") and urlsplit(url).netloc):
            raise ValueError(f"expected an address such as http://127.0.0.1:9093, got '{url}'")
        return url

    @field_validator("rules")
    @classmethod
    def _have_names_of_their_own(cls, rules: tuple[AlertRule, ...]) -> tuple[AlertRule, ...]:
        names = [rule.name for rule in rules]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise ValueError(f"two rules are called '{twice}'; give each a name of its own")
        return rules


@dataclass(frozen=True, kw_only=True, config=STRICT)
class MachineConfig:
    """From which share of what there is on a machine's use is told, and what a training may take."""

    cpu: float = Field(gt=0, le=1)  # share of all processors, mean of the last `span_s`
    memory: float = Field(gt=0, le=1)  # share that is not available
    disk: float = Field(gt=0, le=1)  # share of the file system that is used; half-way from here to full is a page
    gpu_memory: float = Field(gt=0, le=1)
    gpu_celsius: float = Field(gt=0)
    span_s: float = Field(gt=0)  # seconds of the machine over which its use is averaged
    keep: int = Field(ge=2, le=100_000)  # looks at the machine that are kept in the history
    train_s: float = Field(gt=0)  # budget of one training: seconds
    train_memory_mib: float = Field(gt=0)  # and memory at its peak
    lag_s: float = Field(gt=0)  # the journal's rows are Parquet so soon after they were answered, of the machine's seconds
    journal_disk: float = Field(gt=0, le=1)  # share of serving.journal.max_gib; lifecycle.journal keeps it below 0.8


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
    alerts: AlertsConfig
    machine: MachineConfig
    inputs: InputsConfig
    quality: QualityConfig
    skew: SkewConfig
