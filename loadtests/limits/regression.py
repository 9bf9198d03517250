"""Is a release slower than the one before it: settings and verdict of `make bench-serving`."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from pydantic import Field
from pydantic.dataclasses import dataclass as checked

from loadtests.limits.settings import Protocol
from loadtests.perf_analyzer.settings import STRICT, PerfConfig


@checked(frozen=True, kw_only=True, config=STRICT)
class RegressionLimits:
    median_ratio: float = Field(gt=0, le=1)
    agreeing_share: float = Field(gt=0, le=1)


@checked(frozen=True, kw_only=True, config=STRICT)
class BenchServingConfig(PerfConfig):
    """The meaning of each key stands in conf/loadtest/bench/bench_serving.yaml."""

    rows: tuple[int, ...] = Field(min_length=1)
    clients: tuple[int, ...] = Field(min_length=1)
    more: tuple[tuple[int, int], ...]
    protocols: tuple[Protocol, ...] = Field(min_length=1)
    processes: tuple[int, ...] = Field(min_length=1)
    seconds: float = Field(gt=0)
    warmup_s: float = Field(ge=0)
    pairs: int = Field(ge=1)
    rows_per_month: int = Field(ge=10_000)
    limits: RegressionLimits

    @property
    def workloads(self) -> list[tuple[int, int]]:
        """Rows a request and clients, each once, ascending."""
        return sorted({(rows, clients) for rows in self.rows for clients in self.clients} | set(self.more))


@dataclass(frozen=True, kw_only=True)
class Pairs:
    """A workload's rates on this release and on the one before, measured in turn."""

    name: str
    ours: tuple[float, ...]
    before: tuple[float, ...]

    @property
    def ratios(self) -> tuple[float, ...]:
        return tuple(a / b for a, b in zip(self.ours, self.before, strict=True))


def regressions(workloads: Sequence[Pairs], limits: RegressionLimits) -> list[str]:
    """A sentence for each workload that is slower beyond noise: the median ratio is low, and enough pairs agree on it."""
    found = []
    for pairs in workloads:
        ratios = pairs.ratios
        slower = sum(ratio < 1 for ratio in ratios)
        if median(ratios) < limits.median_ratio and slower >= limits.agreeing_share * len(ratios):
            found.append(
                f"{pairs.name} is {median(ratios):.2f}x of the release before ({min(ratios):.2f} to {max(ratios):.2f}, "
                f"{slower} of {len(ratios)} pairs slower; limit {limits.median_ratio:g}x)"
            )
    return found
