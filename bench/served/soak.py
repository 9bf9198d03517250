"""Half an hour of steady arrivals at most of the capacity: failures, memory, latency at the end: `make soak`.

Also writes docs/plots/soak.svg.
"""

if __name__ == "__main__":  # before matplotlib is imported
    from contracts.local_libraries import keep_matplotlib_here

    keep_matplotlib_here()

from collections.abc import Sequence
from pathlib import Path

from bench.figures import Figure, at_most
from bench.parts import PartFailed
from bench.served.capacity import NAMES, measured_capacity
from bench.served.entry import say, served_main
from contracts.serving.releases import EXPORTED
from loadtests.limits.settings import SoakConfig
from loadtests.limits.soak import Soaked, soak
from loadtests.limits.soak_plot import plot_soak
from loadtests.perf_analyzer.input import requests_of
from loadtests.perf_analyzer.settings import load_perf_settings
from loadtests.perf_analyzer.target import analyzers, target_of
from loadtests.requests.traffic import read_traffic
from serving.server.settings import load_server_config
from serving.server.trial import trial_server

PLOT, TRIED_PLOT = Path("docs/plots/soak.svg"), Path("reports/soak.svg")


def measure(overrides: Sequence[str] = ()) -> list[Figure]:
    config = load_perf_settings("soak", SoakConfig, overrides)
    rate = config.rate or config.capacity_share * measured_capacity(config.protocol, config.rows)
    requests = requests_of(read_traffic(config.traffic_rows), config.rows, config.distinct)
    say(f"soak of {config.minutes:g} minutes at {rate:,.0f} requests/s")
    with trial_server(EXPORTED, load_server_config()) as server:
        analyzer = analyzers(target_of(server), requests, (config.protocol,), config.tolerance)[config.protocol]
        soaked = soak(analyzer, config, rate, server.process.pid, say)
    if not len(soaked.samples):
        raise PartFailed(f"no slice of the soak was answered to its end: {soaked.failed[0]}", [])
    plot_soak(soaked, TRIED_PLOT if overrides else PLOT)
    return soak_figures(soaked, config, rate)


def soak_figures(soaked: Soaked, config: SoakConfig, rate: float) -> list[Figure]:
    what = f"soak, {config.minutes:g} minutes at {rate:,.0f} requests/s over {NAMES[config.protocol]}"
    numbers = soaked.numbers()
    bad = len(soaked.samples) - numbers.get("ok", 0) + len(soaked.failed)
    shown = f"{numbers.get('ok', 0):,} answered rightly, {bad:,} not"
    if soaked.failed:
        shown += f"; {len(soaked.failed)} slices ended early, the first: {soaked.failed[0]}"
    growth, begun = soaked.growth_mib(config.settle_share)
    first, last = soaked.p99(0, config.settle_share), soaked.p99(1 - config.settle_share, 1)
    settled = config.minutes * config.settle_share
    figures = [
        at_most(what, bad, 0, shown, "0 not"),
        at_most(
            f"growth of memory after the first {settled:.1f} minutes",
            growth / begun,
            config.max_growth_share,
            f"{growth / begun:+.2%}, {growth:+.1f} MiB; at the end {memory_text(soaked)}",
            f"<= {config.max_growth_share:.0%}",
        ),
    ]
    if first.ms is None or last.ms is None:
        return [*figures, Figure(what=f"latency of the last {settled:.1f} minutes", figure=f"{last}; the first: {first}")]
    ratio = last.ms / first.ms
    text = f"{ratio:.2f}x: {last}, the first {first}"
    bar = f"<= {config.max_p99_ratio:g}x"
    return [*figures, at_most(f"latency of the last {settled:.1f} minutes by the first", ratio, config.max_p99_ratio, text, bar)]


def memory_text(soaked: Soaked) -> str:
    """MiB of each kind of process when it was last looked at."""
    return ", ".join(f"{name} {mib:,.0f}" for name, mib in sorted(soaked.memory[-1][1].items())) + " MiB"


if __name__ == "__main__":
    served_main("soak", measure)
