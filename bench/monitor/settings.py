"""Settings of `make bench-monitor`: conf/loadtest/bench/bench_monitor.yaml says what each key means."""

from pydantic import Field
from pydantic.dataclasses import dataclass as checked

from loadtests.perf_analyzer.settings import STRICT, PerfConfig


@checked(frozen=True, kw_only=True, config=STRICT)
class MonitorLimits:
    warned_months: int = Field(ge=0)
    paged_months: int = Field(ge=0)
    named_runs: float = Field(gt=0, le=100)
    seconds: float = Field(gt=0)
    gib: float = Field(gt=0)


@checked(frozen=True, kw_only=True, config=STRICT)
class BenchMonitorConfig(PerfConfig):
    parts: tuple[str, ...] = Field(min_length=1)
    false_alarm_months: int = Field(ge=0)
    candidate_months: int = Field(ge=0)
    candidates: int = Field(ge=2)
    month_rows: int = Field(ge=1000)
    workers: int = Field(ge=1)
    fault_runs: int = Field(ge=1)
    faults: tuple[str, ...]
    columns: tuple[str, ...]
    fault_share: float = Field(gt=0, le=1)
    fault_rows: int = Field(ge=1000)
    speed_rows: int = Field(ge=1000)
    seed: int
    limits: MonitorLimits
