"""The `monitor` section of `params.yaml`: what is watched, and what a warning may cost."""

from typing import Literal
from urllib.parse import urlsplit

from pydantic import ConfigDict, Field, field_validator
from pydantic.dataclasses import dataclass

STRICT = ConfigDict(extra="forbid", allow_inf_nan=False)


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
class MonitorConfig:
    folder: str = Field(min_length=1)  # of windows, state and alerts
    every_s: float = Field(gt=0)  # between two looks of `make monitor --follow`, of the clock
    alerts: AlertsConfig
    machine: MachineConfig
