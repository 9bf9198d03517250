"""Settings of `make capacity`, `make soak` and `make spike`; the meaning of each key stands in conf/loadtest/bench/."""

from typing import Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from loadtests.limits.capacity import CapacityLimits
from loadtests.perf_analyzer.settings import STRICT, PerfConfig

Protocol = Literal["grpc", "http"]


@dataclass(frozen=True, kw_only=True, config=STRICT)
class CapacityConfig(PerfConfig):
    rows: tuple[int, ...] = Field(min_length=1)
    protocols: tuple[Protocol, ...] = Field(min_length=1)
    arrivals: Literal["poisson", "constant"]
    seed: int = Field(ge=0)
    seconds: float = Field(gt=0)
    warmup_s: float = Field(ge=0)
    start: float = Field(gt=0)
    growth: float = Field(gt=1)
    accuracy: float = Field(gt=0, lt=1)
    votes: int = Field(ge=1, multiple_of=1)
    minutes: float = Field(gt=0)
    limits: CapacityLimits

    def __post_init__(self) -> None:
        if self.votes % 2 == 0:
            raise ValueError(f"votes must be odd, so that most runs of a rate say yes or no, got {self.votes}")


@dataclass(frozen=True, kw_only=True, config=STRICT)
class SoakConfig(PerfConfig):
    rows: int = Field(ge=1)
    protocol: Protocol
    rate: float | None = Field(gt=0)
    capacity_share: float = Field(gt=0, le=1)
    minutes: float = Field(gt=0)
    slice_s: float = Field(ge=2)
    warmup_s: float = Field(ge=0)
    memory_every_s: float = Field(gt=0)
    settle_share: float = Field(gt=0, lt=0.5)
    arrivals: Literal["poisson", "constant"]
    seed: int = Field(ge=0)
    max_growth_share: float = Field(gt=0)
    max_p99_ratio: float = Field(gt=1)


@dataclass(frozen=True, kw_only=True, config=STRICT)
class SpikeConfig(PerfConfig):
    rows: int = Field(ge=1)
    capacity: float | None = Field(gt=0)
    normal_share: float = Field(gt=0, lt=1)
    spike_times: float = Field(gt=1)
    before_s: float = Field(gt=0)
    spike_s: float = Field(gt=0)
    after_s: float = Field(gt=0)
    connections: int = Field(ge=1, le=4096)
    timeout_s: float = Field(gt=0)
    seed: int = Field(ge=0)
    recovered_s: float = Field(gt=0)
    refusal_p99_ms: float = Field(gt=0)
