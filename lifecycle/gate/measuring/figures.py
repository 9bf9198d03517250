"""Figures of candidate and champion over all rounds, held against their limits."""

from collections.abc import Iterator, Mapping, Sequence
from statistics import median
from typing import Any

from contracts.lifecycle.config import FIGURES, GateConfig
from lifecycle.gate.checks import GateCheck
from lifecycle.gate.measuring.rounds import GateRound, Workload
from lifecycle.gate.measuring.statistics import Growth, growth

DECIDING = ("request_time", "server_cpu")  # more rounds are measured for these; p99 is noisier and takes what there is
SPEED_WORDS = {"request_time": "request time", "p99": "p99", "server_cpu": "server CPU"}
STARTS = {  # of each start: words, key of the limit, unit
    "load_time": ("load time", "load_time", "s"),
    "memory": ("memory after loading", "memory", "MiB"),
    "memory_after": ("memory after traffic", "memory", "MiB"),
}
Limits = Mapping[str, float]


def named(workload: Workload) -> str:
    rows, clients = workload
    return f"{rows} row{'s' * (rows > 1)} / {clients} client{'s' * (clients > 1)}"


def speed_growths(config: GateConfig, rounds: Sequence[GateRound], limits: Limits) -> dict[tuple[Workload, str], Growth]:
    """By workload and figure."""
    return {
        (workload, figure): growth(
            [one.speed[workload].ratios[figure] for one in rounds if workload in one.speed],
            limits[figure],
            config.error_of_a_look,
        )
        for workload in config.workloads
        for figure in FIGURES
    }


def start_growths(config: GateConfig, rounds: Sequence[GateRound], limits: Limits) -> dict[str, Growth]:
    """By figure. One pair a round; the interval is their range, and holds the true ratio but for a chance of 2 in 2^rounds.

    Fewer rounds than before the first look give none.
    """
    return {
        figure: growth(
            [[getattr(one.starts[0], figure) / getattr(one.starts[1], figure)] for one in rounds],
            limits[key],
            0.5 ** max(len(rounds), config.rounds[0]),
        )
        for figure, (_, key, _) in STARTS.items()
    }


def open_workloads(config: GateConfig, rounds: Sequence[GateRound], limits: Limits) -> list[Workload] | None:
    """Which workloads have to be measured further; None if no more rounds are needed: all is decided, or one is too slow.

    A list that is empty asks for more starts: all so far were beyond a limit.
    """
    speed = speed_growths(config, rounds, limits)
    if any(found.state == "beyond" for found in speed.values()):
        return None
    still_open = [one for one in config.workloads if any(speed[one, figure].state == "open" for figure in DECIDING)]
    suspicious = any(found.state == "beyond" for found in start_growths(config, rounds, limits).values())
    return still_open if still_open or suspicious else None


def progress(config: GateConfig, rounds: Sequence[GateRound], limits: Limits) -> Iterator[str]:
    speed = speed_growths(config, rounds, limits)
    for workload in config.workloads:
        yield f"{named(workload)}: " + ", ".join(f"{SPEED_WORDS[figure]} {speed[workload, figure]}" for figure in FIGURES)
    starts = start_growths(config, rounds, limits)
    yield ", ".join(f"{words} {starts[figure]}" for figure, (words, _, _) in STARTS.items())


def figure_checks(config: GateConfig, rounds: Sequence[GateRound], limits: Limits) -> list[GateCheck]:
    """Speed first, then what the server takes."""
    checks = []
    for (workload, figure), found in speed_growths(config, rounds, limits).items():
        of_rounds = [one.speed[workload] for one in rounds if workload in one.speed]
        now, before = (median(getattr(one, side)[figure] for one in of_rounds) for side in ("candidate", "champion"))
        about = {"rows": workload[0], "clients": workload[1], "figure": figure, "candidate": now, "champion": before, "unit": "s"}
        about["ratios"] = [ratio for one in of_rounds for ratio in one.ratios[figure]]
        shown = [rows_per_s(workload, value) if figure == "request_time" else f"{value * 1e3:.3g} ms" for value in (now, before)]
        checks.append(_check(f"{SPEED_WORDS[figure]}, {named(workload)}", found, figure, shown, about))
    for figure, found in start_growths(config, rounds, limits).items():
        words, key, unit = STARTS[figure]
        now, before = (median(getattr(one.starts[place], figure) for one in rounds) for place in (0, 1))
        about = {"figure": figure, "candidate": now, "champion": before, "unit": unit}
        about["ratios"] = [getattr(one.starts[0], figure) / getattr(one.starts[1], figure) for one in rounds]
        shown = [f"{value:,.2f} s" if unit == "s" else f"{value:,.0f} MiB" for value in (now, before)]
        checks.append(_check(words, found, key, shown, about))
    return checks


def rows_per_s(workload: Workload, request_s: float) -> str:
    return f"{workload[0] / request_s:,.0f} rows/s"


def _check(name: str, found: Growth, key: str, shown: list[str], about: dict[str, Any]) -> GateCheck:
    sentence = f"{name}: {found}, {shown[0]} against {shown[1]}"
    if found.state == "beyond":
        sentence += f"; {found.limit:+.0%} is allowed (gate.limits.{key})"
    elif found.state == "open":
        sentence += f"; whether it is beyond {found.limit:+.0%} cannot be told from noise"
    return GateCheck(
        name=name,
        passed=found.state != "beyond",
        decided=found.state != "open",
        sentence=sentence,
        limit=found.limit,
        figures={**found.as_values(), **about},
    )
