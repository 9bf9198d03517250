"""Settings of `make bench-routing`: conf/loadtest/bench/bench_routing.yaml says what each key means."""

from pydantic import Field
from pydantic.dataclasses import dataclass as checked

from loadtests.limits.settings import Protocol
from loadtests.perf_analyzer.settings import STRICT, PerfConfig


@checked(frozen=True, kw_only=True, config=STRICT)
class RoutingLimits:
    off_ratio: float = Field(gt=0)
    split_ratio: float = Field(gt=0)
    shadow_shares: tuple[float, ...]
    shadow_p99_ratio: float = Field(gt=0)
    broken_requests: int = Field(ge=1)
    broken_s: float = Field(gt=0)


@checked(frozen=True, kw_only=True, config=STRICT)
class BenchRoutingConfig(PerfConfig):
    workloads: tuple[tuple[int, int], ...] = Field(min_length=1)
    protocols: tuple[Protocol, ...] = Field(min_length=1)
    seconds: float = Field(gt=0)
    warmup_s: float = Field(ge=0)
    pairs: int = Field(ge=0)
    shadow_rows: tuple[int, ...]
    shadow_loads: tuple[float, ...]
    capacity_minutes: float = Field(gt=0)
    shadow_pairs: int = Field(ge=0)
    shadow_seconds: float = Field(gt=0)
    broken_runs: int = Field(ge=0)
    broken_share: float = Field(gt=0, le=100)
    broken_rate: float = Field(gt=0)
    broken_seconds: float = Field(gt=0)
    changes: int = Field(ge=0)
    change_every_s: float = Field(gt=0)
    connections: int = Field(ge=1)
    timeout_s: float = Field(gt=0)
    seed: int
    limits: RoutingLimits
