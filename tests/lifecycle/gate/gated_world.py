"""The real gate on small exported models, in a folder of the test's own; and rounds with made-up figures."""

import os
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl
import yaml
from pydantic import TypeAdapter

from bench.served.slowed import copy_model
from contracts.lifecycle.config import GateConfig
from lifecycle.gate.measuring.rounds import GateRound, Start
from lifecycle.gate.measuring.slices import MeasuredWorkload
from serving.server.ports import free_ports
from stages.compose import compose_params
from stages.scoring.scorer import score_split
from tests.stages.pipeline_world import CONF

ROOT = CONF.parent
PYTHON = ROOT / ".venv-load/bin/python"
WITHIN_S = 180
LENIENT = {"request_time": 1.0, "server_cpu": 0.5, "p99": 9.0, "load_time": 9.0}  # one start, and few slices, beside other tests
SHORT = {"workloads": [[1, 1], [8, 2]], "slice_s": 0.01, "pairs": 24, "rounds": [1], "distinct": 8, "parity_rows": 200}


def gate_config(**changes: Any) -> GateConfig:
    """The real settings with changes."""
    return TypeAdapter(GateConfig).validate_python(compose_params(CONF)["gate"] | changes)


def gate_project(exported: Path, folder: Path, champion: bool = True, **changes: Any) -> Path:
    """A project whose candidate is the small model, and its champion an equal one; `changes`: of section `gate`."""
    copy_model(exported, folder / "artifacts", "candidate")
    if champion:
        copy_model(exported, folder / "champion/model", "champion")
    (folder / "data/predictions").mkdir(parents=True)
    for name in ("split", "raw"):
        (folder / "data" / name).symlink_to(exported / "data" / name)
    before = os.getcwd()
    os.chdir(exported)
    try:
        p_click = score_split(Path("artifacts/export"), Path("data/split/test.parquet"))
    finally:
        os.chdir(before)
    pl.DataFrame({"p_click": p_click}).write_parquet(folder / "data/predictions/test.parquet")
    (folder / ".venv-serving").symlink_to(ROOT / ".venv-serving")
    params = yaml.safe_load((exported / "params.yaml").read_text())
    params["serving"]["server"] |= dict(zip(("http_port", "grpc_port", "metrics_port"), free_ports(3), strict=True))
    params["gate"] |= SHORT | changes
    params["gate"]["limits"] |= LENIENT
    (folder / "params.yaml").write_text(yaml.safe_dump(params))
    return folder


def begin_gate(folder: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [str(PYTHON), "-m", "lifecycle.gate"],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # a shell's background job ignores it
    )


def run_gate(folder: Path) -> tuple[int, str]:
    """Its exit code, and what it said on stdout and stderr."""
    process = begin_gate(folder)
    said, _ = process.communicate(timeout=WITHIN_S)
    return process.returncode, said


def servers_of(folder: Path) -> list[int]:
    """Processes of servers whose models lie below the folder."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            arguments = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except OSError:
            continue
        if "tritonserver" in arguments and str(folder) in arguments:
            found.append(int(entry.name))
    return found


def made_up_round(
    config: GateConfig,
    *,
    time: Sequence[float] = (1.0,),
    cpu: Sequence[float] = (1.0,),
    p99: Sequence[float] = (1.0,),
    load: float = 1.0,
    memory: float = 1.0,
) -> GateRound:
    """A round in which the candidate took so many times as much as a champion with figures of 1; the same for all workloads."""
    one = MeasuredWorkload(
        ratios={"request_time": [*time], "server_cpu": [*cpu], "p99": [*p99]},
        candidate={"request_time": time[0], "server_cpu": cpu[0], "p99": p99[0]},
        champion={"request_time": 1.0, "server_cpu": 1.0, "p99": 1.0},
    )
    starts = (Start(load_time=load, memory=memory, memory_after=memory), Start(load_time=1.0, memory=1.0, memory_after=1.0))
    return GateRound(starts=starts, speed=dict.fromkeys(config.workloads, one))
