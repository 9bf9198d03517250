"""What the monitor finds, how often it is wrong, and what it costs: `make bench-monitor`."""

from collections.abc import Sequence

from bench.figures import Figure
from bench.monitor.settings import BenchMonitorConfig
from bench.parts import of_modules
from bench.served.entry import served_main
from loadtests.perf_analyzer.settings import load_perf_settings


def measure(overrides: Sequence[str] = ()) -> list[Figure]:
    config = load_perf_settings("bench_monitor", BenchMonitorConfig, overrides)
    return of_modules("bench.monitor", config.parts, config)


if __name__ == "__main__":
    served_main("bench-monitor", measure)
