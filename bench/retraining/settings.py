"""Settings of `make bench-retraining`: conf/loadtest/bench/bench_retraining.yaml says what each key means."""

from pydantic import Field
from pydantic.dataclasses import dataclass as checked

from loadtests.limits.settings import Protocol
from loadtests.perf_analyzer.settings import STRICT, PerfConfig


@checked(frozen=True, kw_only=True, config=STRICT)
class RetrainingLimits:
    p99_ratio: float = Field(gt=0)


@checked(frozen=True, kw_only=True, config=STRICT)
class BenchRetrainingConfig(PerfConfig):
    protocol: Protocol
    rows: int = Field(ge=1)
    loads: tuple[float, ...] = Field(min_length=1)
    capacity: float | None = Field(gt=0)
    capacity_minutes: float = Field(gt=0)
    pairs: int = Field(ge=1)
    seconds: float = Field(gt=0)
    warmup_s: float = Field(ge=0)
    start_s: float = Field(gt=0)
    overrides: tuple[str, ...]
    seed: int
    limits: RetrainingLimits
