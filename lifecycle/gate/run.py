"""All checks of a candidate, in the order in which they would harm: loading, contract, golden requests, parity, speed, cost."""

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from contracts.lifecycle.config import GateConfig
from contracts.serving.config import ServerConfig
from lifecycle.gate.answers.contract import contract_check
from lifecycle.gate.answers.golden import golden_check
from lifecycle.gate.answers.parity import parity_check, read_evaluated
from lifecycle.gate.checks import CONTRACT, LOAD, GateCheck
from lifecycle.gate.measuring.figures import figure_checks, open_workloads, progress
from lifecycle.gate.measuring.rounds import GateRound, Measuring, Start, look_at
from lifecycle.gate.measuring.sender import NotAnswered
from lifecycle.gate.measuring.served import DidNotLoad, logged_error, served, server_facts
from lifecycle.gate.measuring.training import training_checks
from lifecycle.gate.models import GatedModel
from loadtests.requests.traffic import TrafficRows, traffic_of

TRAFFIC_ROWS = 5000  # of the test split, that requests are made of
CONTRACT_ROWS = 256
LOADED = "under load"

Say = Callable[[str], None]


def run_checks(
    config: GateConfig,
    server_config: ServerConfig,
    candidate: GatedModel,
    champion: GatedModel | None,
    folder: Path,
    say: Say,
) -> tuple[list[GateCheck], dict[str, str] | None]:
    """The checks, and which server it was (None if nothing was served). `folder` is for logs; `champion` None: there is none."""
    deadline_s = time.monotonic() + config.budget_s
    if champion is not None and champion.declaration.name != candidate.declaration.name:
        return [other_data_set(candidate, champion)], None
    models = [(model, traffic_of(model.declaration, TRAFFIC_ROWS)) for model in (candidate, champion) if model is not None]
    evaluated = read_evaluated(candidate, config.parity_rows)
    measuring = Measuring(config=config, server_config=server_config, folder=folder, say=say)
    checks, facts = Said(say), None
    try:
        with ExitStack() as stack:
            running = [stack.enter_context(served(model, server_config, folder)) for model, _ in models]
            say(", ".join(f"{one.model.name} ready after {one.load_s:.1f} s" for one in running))
            facts = server_facts(running[0])
            sides = [(one, traffic) for one, (_, traffic) in zip(running, models, strict=True)]
            checks.add(contract_check(running[0], champion, evaluated.rows[:CONTRACT_ROWS], config.max_difference))
            if checks.passed and champion is not None:
                measuring.measure(sides, config.workloads)  # before there is more traffic to one of them than to the other
            elif checks.passed:
                start = look_at(*sides[0], config)
            if checks.passed:
                checks.add(golden_check(sides))
                checks.add(parity_check(running[0], evaluated, config.max_difference))
        if champion is not None and measuring.rounds:
            checks.found += compare(measuring, models, deadline_s if checks.passed else 0.0)
            checks.found += training_checks(candidate, champion, asdict(config.limits))
        elif champion is None and checks.passed:
            checks.found += figures_alone(start, candidate)
    except DidNotLoad as error:
        checks.found.append(GateCheck(name=LOAD, passed=False, sentence=str(error)))
    except NotAnswered as error:
        logged = "".join(logged_error(folder, model.name) for model, _ in models)
        sentence = f"under load a request was not answered rightly: {error}{logged}"
        checks.found.append(GateCheck(name=LOADED, passed=False, sentence=sentence))
    return checks.found, facts


@dataclass
class Said:
    """Checks that are said as they are found."""

    say: Say
    found: list[GateCheck] = field(default_factory=list)

    def add(self, check: GateCheck) -> None:
        self.say(check.sentence)
        self.found.append(check)

    @property
    def passed(self) -> bool:
        return all(check.passed for check in self.found)


def other_data_set(candidate: GatedModel, champion: GatedModel) -> GateCheck:
    names = f"'{candidate.declaration.name}', the champion's was '{champion.declaration.name}'"
    return GateCheck(
        name=CONTRACT, passed=False, sentence=f"contract: the data set is {names}: neither answers the other's requests"
    )


def compare(measuring: Measuring, models: Sequence[tuple[GatedModel, TrafficRows]], deadline_s: float) -> list[GateCheck]:
    """Rounds until all is decided or the time is over; what they found of speed, load time and memory."""
    config, limits = measuring.config, asdict(measuring.config.limits)

    def still_open(rounds: Sequence[GateRound]) -> list[tuple[int, int]] | None:
        for line in progress(config, rounds, limits):
            measuring.say(f"after {len(rounds)} rounds, {line}")
        return open_workloads(config, rounds, limits)

    measuring.until_decided(models, still_open, deadline_s)
    return figure_checks(config, measuring.rounds, limits)


def figures_alone(start: Start, candidate: GatedModel) -> list[GateCheck]:
    """What there is to say of the cost without a champion: figures that nothing limits."""
    training = candidate.training or {}
    values: dict[str, tuple[Any, str]] = {
        "load time": (start.load_time, "s"),
        "memory after loading": (start.memory, "MiB"),
        "memory after traffic": (start.memory_after, "MiB"),
        "training time": (training.get("train_s"), "s"),
        "training memory": (training.get("peak_memory_mib"), "MiB"),
    }
    return [
        GateCheck(
            name=name,
            passed=True,
            sentence=f"{name}: {f'{value:,.4g} {unit}' if value else 'not known'}",
            figures={"candidate": value, "unit": unit},
        )
        for name, (value, unit) in values.items()
    ]
