"""What a process of a load run needs to know: the folder of a run holds it as `plan.json`, beside the prepared requests."""

import json
from dataclasses import dataclass
from pathlib import Path

from loadtests.settings import LoadConfig, as_values, check_settings

PLAN = "plan.json"


@dataclass(frozen=True, kw_only=True)
class RunPlan:
    """A prepared run."""

    config: LoadConfig
    grpc: str  # host:port
    http: str
    version: int  # of the model that gave the expected answers
    challenger: int | None = None  # the version beside it, if the server has two arms

    def address(self, kind: str) -> str:
        return self.grpc if kind == "grpc" else self.http


def write_plan(folder: Path, plan: RunPlan) -> None:
    values = {"config": as_values(plan.config), "grpc": plan.grpc, "http": plan.http, "version": plan.version}
    values |= {} if plan.challenger is None else {"challenger": plan.challenger}
    (folder / PLAN).write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")


def read_plan(folder: Path) -> RunPlan:
    values = json.loads((folder / PLAN).read_text(encoding="utf-8"))
    return RunPlan(**values | {"config": check_settings(values["config"])})
