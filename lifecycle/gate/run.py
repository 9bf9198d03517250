"""All checks of a candidate, in the order in which they would harm: loading, contract, golden requests, parity, speed, cost."""

import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any

from contracts.lifecycle.gate import GateConfig
from contracts.serving.config import ServerConfig
from lifecycle.gate.checks import CONTRACT, LOAD, Check
from lifecycle.gate.contract import contract_check
from lifecycle.gate.golden import golden_check
from lifecycle.gate.models import GatedModel
from lifecycle.gate.parity import parity_check, read_evaluated
from lifecycle.gate.sender import Unanswered
from lifecycle.gate.served import DidNotLoad, Served, served, server_facts
from lifecycle.gate.speed import speed_checks
from lifecycle.gate.starts import Start, look_at, start_checks
from lifecycle.gate.training import training_checks
from loadtests.requests.traffic import TrafficRows, traffic_of

TRAFFIC_ROWS = 5000  # of the test split, that requests are made of
CONTRACT_ROWS = 256
SPEED = "speed"

Say = Callable[[str], None]


def run_checks(
    config: GateConfig,
    server_config: ServerConfig,
    candidate: GatedModel,
    champion: GatedModel | None,
    folder: Path,
    say: Say,
) -> tuple[list[Check], dict[str, str] | None]:
    """The checks, and which server it was (None if nothing was served). `folder` is for logs; `champion` None: there is none."""
    deadline_s = time.monotonic() + config.budget_s
    if champion is not None and champion.declaration.name != candidate.declaration.name:
        names = f"'{candidate.declaration.name}', the champion's was '{champion.declaration.name}'"
        sentence = f"contract: the data set is {names}, so that neither answers the other's requests"
        return [Check(name=CONTRACT, passed=False, sentence=sentence)], None
    models = [model for model in (candidate, champion) if model is not None]
    evaluated = read_evaluated(candidate, config.parity_rows)
    with ExitStack() as stack:
        try:
            running = [stack.enter_context(served(model, server_config, folder)) for model in models]
        except DidNotLoad as error:
            return [Check(name=LOAD, passed=False, sentence=str(error))], None
        say(", ".join(f"{one.model.name} ready after {one.load_s:.1f} s" for one in running))
        facts = server_facts(running[0])
        contract = contract_check(running[0], champion, evaluated.rows[:CONTRACT_ROWS], config.max_difference)
        say(contract.sentence)
        if not contract.passed:
            return [contract], facts
        sides = [(one, traffic_of(one.model.declaration, TRAFFIC_ROWS)) for one in running]
        checks = [contract, golden_check(sides), parity_check(running[0], evaluated, config.max_difference)]
        for check in checks[1:]:
            say(check.sentence)
        try:
            starts = [look_at(one, traffic, config) for one, traffic in sides]
            if len(sides) == 1:
                return [*checks, *figures_alone(starts[0], candidate)], facts
            checks += measured(config, server_config, sides, (starts[0], starts[1]), folder, deadline_s, say)
        except Unanswered as error:
            return [*checks, Check(name=SPEED, passed=False, sentence=f"under load a request was not answered rightly: {error}")], facts
        except DidNotLoad as error:
            return [*checks, Check(name=LOAD, passed=False, sentence=f"{error}; before it did")], facts
    return checks, facts


def measured(
    config: GateConfig,
    server_config: ServerConfig,
    sides: list[tuple[Served, TrafficRows]],
    first: tuple[Start, Start],
    folder: Path,
    deadline_s: float,
    say: Say,
) -> list[Check]:
    """Speed, memory, load time and training of the candidate beside the champion."""
    limits = asdict(config.limits)
    models = [(one.model, traffic) for one, traffic in sides]
    starts = start_checks(config, server_config, folder, models, [first], limits, say)
    speed = speed_checks(config, sides, limits, deadline_s, say)
    return [*speed, *starts, *training_checks(models[0][0], models[1][0], limits)]


def figures_alone(start: Start, candidate: GatedModel) -> list[Check]:
    """What there is to say without a champion: figures that nothing limits."""
    training = candidate.training or {}
    values: dict[str, tuple[Any, str]] = {
        "load time": (start.load_time, "s"),
        "memory after loading": (start.memory, "MiB"),
        "memory after traffic": (start.memory_after, "MiB"),
        "training time": (training.get("train_s"), "s"),
        "training memory": (training.get("peak_memory_mib"), "MiB"),
    }
    return [
        Check(
            name=name,
            passed=True,
            sentence=f"{name}: {f'{value:,.4g} {unit}' if value else 'not known'}",
            figures={"candidate": value, "unit": unit},
        )
        for name, (value, unit) in values.items()
    ]
