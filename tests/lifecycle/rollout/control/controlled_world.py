"""A rollout of release 2 beside release 1, in a small store; what its looks find is said by the test, in a file."""

import json
import os
from collections.abc import Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path

from pydantic import TypeAdapter

from contracts.clock import simulated
from contracts.lifecycle.rollout import RolloutConfig
from contracts.params import read_section
from contracts.serving.release_log import Entry, append
from lifecycle.rollout.control.control import Control, LookEvidence
from lifecycle.rollout.control.files import Decision, read_decisions, read_rollout
from lifecycle.rollout.judgement import Judgement, RatioVerdict
from lifecycle.rollout.rollout import Rollout
from serving.releases.store import Store
from serving.server.settings import load_routing_config, load_server_config

DAY_NS = 86_400_000_000_000
BEGUN = datetime(2027, 3, 1, tzinfo=UTC)
BEGUN_NS = int(BEGUN.timestamp()) * 1_000_000_000
STEPS = [
    {"mode": "shadow", "share": 0, "days": 1, "rows": 0},
    {"mode": "canary", "share": 5, "days": 2, "rows": 100},
    {"mode": "canary", "share": 50, "days": 2, "rows": 100},
]
SEEN = "seen.json"


def control_in(folder: Path, **changes: object) -> Control:
    """In a project folder with params.yaml and models/; it sees what `tell` has written."""
    config = read_section("rollout", RolloutConfig, overrides={"steps": STEPS, "gate": False, **changes})
    store = Store(folder / "models")
    return Control(
        root=folder / "rollouts",
        store=store,
        config=config,
        routing=load_routing_config(),
        server=load_server_config(store=str(store.folder)),
        observe=what_was_told,
        alerts=folder / "monitor",
        say=lambda line: print(line, flush=True),
    )


def tell(seen: LookEvidence) -> None:
    Path(SEEN).write_text(json.dumps(asdict(seen)))


def what_was_told(control: Control, rollout: Rollout) -> LookEvidence:
    return TypeAdapter(LookEvidence).validate_python(json.loads(Path(SEEN).read_bytes()))


def judged(verdict: str, day: float = 4, rows: int = 500, **changes: object) -> Judgement:
    """Of a look at rows until so many days after the beginning."""
    until_ns = BEGUN_NS + round(day * DAY_NS)
    made = Judgement(
        rows=rows, until_ns=until_ns, verdict=verdict, metrics=(), ratios=(), reasons=(f"{verdict} because",), sums={"rows": rows}
    )
    return replace(made, **changes)


def mismatch() -> RatioVerdict:
    return RatioVerdict(step=1, expected=0.05, champion=9000, challenger=1000, e_value=12_345.0, is_mismatch=True)


def at_day(day: float) -> None:
    """It is so many days after the beginning, for this process and those that it starts, and stays so nearly."""
    start_ns = BEGUN_NS + round(day * DAY_NS)
    clock = simulated(BEGUN, 1)
    os.environ["ADCLICK_CLOCK"] = replace(clock, start_ns=start_ns).variable()


def stored(store: Store, version: int, passes: bool = True, forced_because: str | None = None) -> None:
    """A line of releases.jsonl by which a release came into the store."""
    gate = {"verdict": "passed" if passes else "failed", "passes": passes, "reasons": [], "sha256": "0"}
    entry = Entry(
        event="stored", model=f"model-{version}", version=version, evidence={"gate": gate}, forced_because=forced_because
    )
    append(store.folder, entry)


def decisions(control: Control) -> Sequence[Decision]:
    rollout = read_rollout(control.root)
    return [] if rollout is None else read_decisions(control.folder(rollout))


def actions(control: Control) -> list[str]:
    return [decision.action for decision in decisions(control)]
