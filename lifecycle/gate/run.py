"""All checks of a candidate, in the order in which they would harm: loading, contract, golden requests, parity, speed, cost."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any

from contracts.lifecycle.gate import GateConfig
from contracts.serving.config import ServerConfig
from lifecycle.gate.checks import CONTRACT, LOAD, Check
from lifecycle.gate.contract import contract_check
from lifecycle.gate.figures import figure_checks, open_workloads, progress
from lifecycle.gate.golden import golden_check
from lifecycle.gate.models import GatedModel
from lifecycle.gate.parity import EvaluatedRows, parity_check, read_evaluated
from lifecycle.gate.rounds import Measuring, Round, Side, Start, look_at
from lifecycle.gate.sender import Unanswered
from lifecycle.gate.served import DidNotLoad, served, server_facts
from lifecycle.gate.training import training_checks
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
) -> tuple[list[Check], dict[str, str] | None]:
    """The checks, and which server it was (None if nothing was served). `folder` is for logs; `champion` None: there is none."""
    deadline_s = time.monotonic() + config.budget_s
    if champion is not None and champion.declaration.name != candidate.declaration.name:
        return [other_data_set(candidate, champion)], None
    models = [model for model in (candidate, champion) if model is not None]
    evaluated = read_evaluated(candidate, config.parity_rows)
    traffics = [traffic_of(model.declaration, TRAFFIC_ROWS) for model in models]
    measuring = Measuring(config=config, server_config=server_config, folder=folder, say=say)
    checks: list[Check] = []
    facts = None
    try:
        with ExitStack() as stack:
            running = [stack.enter_context(served(model, server_config, folder)) for model in models]
            say(", ".join(f"{one.model.name} ready after {one.load_s:.1f} s" for one in running))
            facts = server_facts(running[0])
            sides = list(zip(running, traffics, strict=True))
            for check in answers(config, sides, champion, evaluated):
                say(check.sentence)
                checks.append(check)
            if not checks[0].passed:
                return checks, facts
            if champion is None:
                return [*checks, *figures_alone(look_at(*sides[0], config), candidate)], facts
            measuring.measure(sides, config.workloads)
        checks += compare(measuring, [*zip(models, traffics, strict=True)], deadline_s)
        return [*checks, *training_checks(candidate, champion, asdict(config.limits))], facts
    except DidNotLoad as error:
        return [*checks, Check(name=LOAD, passed=False, sentence=str(error))], facts
    except Unanswered as error:
        sentence = f"under load a request was not answered rightly: {error}"
        return [*checks, Check(name=LOADED, passed=False, sentence=sentence)], facts


def other_data_set(candidate: GatedModel, champion: GatedModel) -> Check:
    names = f"'{candidate.declaration.name}', the champion's was '{champion.declaration.name}'"
    return Check(name=CONTRACT, passed=False, sentence=f"contract: the data set is {names}: neither answers the other's requests")


def answers(config: GateConfig, sides: Sequence[Side], champion: GatedModel | None, evaluated: EvaluatedRows) -> Iterator[Check]:
    """What the candidate answers: contract, and if that is kept golden requests and parity."""
    candidate, _ = sides[0]
    contract = contract_check(candidate, champion, evaluated.rows[:CONTRACT_ROWS], config.max_difference)
    yield contract
    if contract.passed:
        yield golden_check(sides)
        yield parity_check(candidate, evaluated, config.max_difference)


def compare(measuring: Measuring, models: Sequence[tuple[GatedModel, TrafficRows]], deadline_s: float) -> list[Check]:
    """Rounds until all is decided; what they found of speed, load time and memory."""
    config, limits = measuring.config, asdict(measuring.config.limits)

    def still_open(rounds: Sequence[Round]) -> list[tuple[int, int]] | None:
        for line in progress(config, rounds, limits):
            measuring.say(f"after {len(rounds)} rounds, {line}")
        return open_workloads(config, rounds, limits)

    measuring.until_decided(models, still_open, deadline_s)
    return figure_checks(config, measuring.rounds, limits)


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
