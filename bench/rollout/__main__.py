"""How often rollouts end rightly, how soon, and what users pay: `make bench-rollout`."""

from collections.abc import Sequence

from bench.figures import Figure
from bench.parts import of_modules
from bench.rollout.settings import BenchRolloutConfig
from bench.served.entry import served_main
from loadtests.perf_analyzer.settings import load_perf_settings


def measure(overrides: Sequence[str] = ()) -> list[Figure]:
    config = load_perf_settings("bench_rollout", BenchRolloutConfig, overrides)
    return of_modules("bench.rollout", config.parts, config)


if __name__ == "__main__":
    served_main("bench-rollout", measure)
