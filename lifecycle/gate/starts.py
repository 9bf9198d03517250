"""How long the server takes to load the model, and what memory it then has: several starts of candidate and champion in turn."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from contracts.lifecycle.gate import GateConfig
from contracts.serving.config import ServerConfig
from lifecycle.gate.checks import Check
from lifecycle.gate.models import GatedModel
from lifecycle.gate.sender import Sender
from lifecycle.gate.served import Served, served
from lifecycle.gate.speed import prepared_side
from lifecycle.gate.statistics import Growth, growth
from loadtests.requests.traffic import TrafficRows

TIMES = 4  # that each request of each workload is sent before memory is looked at again
FIGURES = {"load_time": "load_time", "memory": "memory", "memory_after": "memory"}  # and their limits
WORDS = {"load_time": "load time", "memory": "memory after loading", "memory_after": "memory after traffic"}
UNITS = {"load_time": "s", "memory": "MiB", "memory_after": "MiB"}


@dataclass(frozen=True, kw_only=True)
class Start:
    """A start of a server."""

    load_time: float  # seconds
    memory: float  # MiB, resident, after loading
    memory_after: float  # after some traffic


def look_at(one: Served, traffic: TrafficRows, config: GateConfig) -> Start:
    """A server that has just started; sends it some traffic."""
    memory = one.resident_mib()
    for rows, clients in config.workloads:
        side = prepared_side(one, traffic, rows, config)
        with Sender(host=one.server.config.host, port=one.http_port, clients=clients) as sender:
            for _ in range(TIMES):
                sender.send(side.requests, side.judge)
    return Start(load_time=one.load_s, memory=memory, memory_after=one.resident_mib())


def start_checks(
    config: GateConfig,
    server_config: ServerConfig,
    folder: Path,
    sides: list[tuple[GatedModel, TrafficRows]],
    pairs: list[tuple[Start, Start]],
    limits: dict[str, float],
    say: Callable[[str], None],
) -> list[Check]:
    """Adds to `pairs` (candidate, champion) until there are enough of them."""
    least, most = config.starts
    while len(pairs) < least or (len(pairs) < most and any(is_suspicious(name, pairs, limits) for name in FIGURES)):
        found: dict[str, Start] = {}
        for model, traffic in sides if len(pairs) % 2 == 0 else sides[::-1]:
            with served(model, server_config, folder) as one:
                found[model.name] = look_at(one, traffic, config)
        pairs.append((found[sides[0][0].name], found[sides[1][0].name]))
        shown = (f"{model.name} {start.load_time:.2f} s, {start.memory:,.0f} MiB" for (model, _), start in zip(sides, pairs[-1]))
        say(f"start {len(pairs)}: " + ", ".join(shown))
    return [_check(name, pairs, limits, most) for name in FIGURES]


def ratios(name: str, pairs: list[tuple[Start, Start]]) -> list[float]:
    return [getattr(candidate, name) / getattr(champion, name) for candidate, champion in pairs]


def is_suspicious(name: str, pairs: list[tuple[Start, Start]], limits: dict[str, float]) -> bool:
    """Are all pairs so far beyond the limit: one within it is enough to pass."""
    return min(ratios(name, pairs), default=1.0) > 1 + limits[FIGURES[name]]


def _check(name: str, pairs: list[tuple[Start, Start]], limits: dict[str, float], most: int) -> Check:
    limit = limits[FIGURES[name]]
    found: Growth = growth(ratios(name, pairs), limit, 0.5 ** len(pairs))
    is_beyond = found.state == "beyond" and len(pairs) >= most
    now, before = (median(getattr(pair[place], name) for pair in pairs) for place in (0, 1))
    unit = UNITS[name]
    figures: dict[str, Any] = {"figure": name, **found.as_values(), "candidate": now, "champion": before, "unit": unit}
    digits = 2 if unit == "s" else 0
    sentence = f"{WORDS[name]}: {found}, {now:,.{digits}f} {unit} against {before:,.{digits}f} {unit}"
    if is_beyond:
        sentence += f"; {limit:+.0%} is allowed (gate.limits.{FIGURES[name]})"
    return Check(
        name=WORDS[name],
        passed=not is_beyond,
        decided=is_beyond or found.value <= limit,
        sentence=sentence,
        limit=limit,
        figures=figures | {"ratios": ratios(name, pairs)},
    )
