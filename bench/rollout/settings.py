"""Settings of `make bench-rollout`: conf/loadtest/bench/bench_rollout.yaml says what each key means."""

from pydantic import Field
from pydantic.dataclasses import dataclass as checked

from contracts.lifecycle.live import Policy
from loadtests.perf_analyzer.settings import STRICT, PerfConfig


@checked(frozen=True, kw_only=True, config=STRICT)
class RolloutLimits:
    ended: float = Field(ge=0, le=1)
    back: float = Field(ge=0, le=1)
    promoted: float = Field(ge=0, le=1)
    at_margin: float = Field(ge=0, le=1)
    worse_promoted: float = Field(ge=0, le=1)
    worse_back: float = Field(ge=0, le=1)
    better_promoted: float = Field(ge=0, le=1)
    slice_found: float = Field(ge=0, le=1)
    paid_at_once: float = Field(gt=0)
    paid_fixed: float = Field(gt=0)


@checked(frozen=True, kw_only=True, config=STRICT)
class TrafficConfig:
    policy: Policy
    rows: int = Field(ge=1000)

    @property
    def name(self) -> str:
        return f"{self.policy}, {self.rows:,} rows a month"

    def pages(self, candidates: int) -> int:
        """Page views a month."""
        return self.rows // candidates if self.policy == "all" else self.rows


@checked(frozen=True, kw_only=True, config=STRICT)
class BenchRolloutConfig(PerfConfig):
    parts: tuple[str, ...] = Field(min_length=1)
    rollouts: int = Field(ge=1)
    fewer: int = Field(ge=1)
    traffic: tuple[TrafficConfig, ...] = Field(min_length=1)
    candidates: int = Field(ge=2)
    worlds: int = Field(ge=1)
    maturity_days: int = Field(ge=0)
    differs: float = Field(gt=0, lt=1)
    month_days: int = Field(ge=1)
    slice_column: str
    slice_value: str
    slice_worse: float = Field(gt=0, lt=1)
    slice_within: int = Field(ge=1)
    fixed_share: float = Field(gt=0, lt=1)
    coverage_runs: int = Field(ge=1)
    workers: int = Field(ge=1)
    seed: int
    limits: RolloutLimits
