"""The `gate` section of `params.yaml`: how candidate and champion are measured on the real server, and what is too much."""

from typing import Annotated

from pydantic import ConfigDict, Field, model_validator
from pydantic.dataclasses import dataclass

STRICT = ConfigDict(extra="forbid", allow_inf_nan=False)
Count = Annotated[int, Field(ge=1)]
FIGURES = ("request_time", "p99", "server_cpu")  # of each workload; keys of GateLimits
BLOCKS = 3  # of a round's pairs, each of which has a p99


@dataclass(frozen=True, kw_only=True, config=STRICT)
class GateLimits:
    """Growth over the champion's figure, as a share of it, that is not yet too much."""

    request_time: float = Field(ge=0)  # seconds a request, from the client's side
    p99: float = Field(ge=0)  # of the same
    server_cpu: float = Field(ge=0)  # seconds of the server's processes a request
    memory: float = Field(ge=0)  # resident, of the server's processes
    load_time: float = Field(ge=0)  # from start to ready
    train_time: float = Field(ge=0)
    train_memory: float = Field(ge=0)  # resident, at its peak


@dataclass(frozen=True, kw_only=True, config=STRICT)
class GateConfig:
    """What `make gate` measures, and what a candidate is refused for."""

    workloads: tuple[tuple[Count, Count], ...] = Field(min_length=1)  # rows a request and clients
    distinct: Count  # different requests of each workload
    slice_s: float = Field(gt=0, le=10)  # of sending, about; slices of the two models are measured in turn
    pairs: int = Field(ge=BLOCKS)  # of slices, of each workload in each round
    rounds: tuple[Count, ...] = Field(min_length=1)  # numbers of rounds after which it is looked whether a figure is decided
    error: float = Field(gt=0, lt=1)  # chance that a candidate exactly at its limits is refused for its speed
    budget_s: float = Field(gt=0)  # no round begins that would not end by then
    parity_rows: Count  # of the test split
    max_difference: float = Field(gt=0, lt=1)  # of a probability, between server and evaluation
    limits: GateLimits

    @model_validator(mode="after")
    def _fits_together(self) -> "GateConfig":
        if list(self.rounds) != sorted(set(self.rounds)):
            raise ValueError(f"rounds must ascend, got {list(self.rounds)}")
        if 0.5 ** (self.pairs * self.rounds[-1]) > self.error_of_a_look:
            raise ValueError(
                f"{self.rounds[-1]} rounds of {self.pairs} pairs cannot decide with a chance of error of {self.error:g} over all "
                "figures and looks; give more pairs, or fewer looks or workloads"
            )
        return self

    @property
    def error_of_a_look(self) -> float:
        """The chance of error that one figure's interval may have on one side at one look (Bonferroni)."""
        return self.error / (len(FIGURES) * len(self.workloads) * len(self.rounds))
