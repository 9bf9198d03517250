"""A project whose pipeline, deployment and rollout are programs of these tests; retraining, its processes and files are real."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from contracts.overrides import read_overrides
from lifecycle.retrain.__main__ import SECTIONS
from lifecycle.retrain.ledger import Training, read_trainings
from lifecycle.retrain.look import look
from lifecycle.retrain.surroundings import Retraining, retraining_of
from tests.project.imports import ROOT
from tests.serving.small_store import MODELS, small_store

PROGRAM = """import json, os, subprocess, sys, time
from pathlib import Path
BURN = "import time; end = time.process_time() + {seconds}\\nwhile time.process_time() < end: pass"
"""
EXPORTS = """
for name in ("ctr", "ctr_by_name", "ctr_careful"):
    path = Path("artifacts/repository/embedded") / name / "1/package.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"files": {"manifest.json": "model-3"}}))
Path("artifacts/export").mkdir(parents=True, exist_ok=True)
Path("artifacts/export/manifest.json").write_text("{}")
Path("reports").mkdir(exist_ok=True)
Path("reports/split.json").write_text(json.dumps({"excluded": 0, "test": {"to": "2026-09-30T23:59:00+00:00", "rows": 1}}))
"""
SERVING = """import json, sys
from pathlib import Path
sys.path.insert(0, {root!r})
from contracts.params import read_section
from contracts.lifecycle.rollout import RolloutConfig
from contracts.serving.release_log import Entry, append
from lifecycle.rollout.control.files import Remembered, write_state
from lifecycle.rollout.rollout import Rollout
from serving.releases.store import Store
from tests.serving.small_store import add_release
module, arguments = sys.argv[2], sys.argv[3:]
with Path("asked.txt").open("a") as asked:
    asked.write(" ".join([module, *arguments]) + "\\n")
does = Path("does.txt").read_text() if Path("does.txt").exists() else ""
store = Store(Path("models"))
if module == "lifecycle.deploy":
    if does == "refuse":
        append(store.folder, Entry(event="refusal", model="model-3", reasons=("gate, slower: too slow", "more")))
        sys.exit("deploy: error: refused")
    if does == "unreachable":
        sys.exit("deploy: error: no server answers")
    if 3 not in store.versions():
        add_release(store, 3)
    append(store.folder, Entry(event="stored", model="model-3", version=3))
else:
    if does == "no_rollout":
        sys.exit("rollout: error: it cannot begin")
    folder = Path("rollouts/2026-10-01-3-abcd")
    folder.mkdir(parents=True)
    rollout = Rollout(name=folder.name, champion=1, challenger=3, salt="00", begun_ns={begun})
    write_state(folder, Remembered(rollout=rollout, config=read_section("rollout", RolloutConfig)))
"""
DVC = """#!/bin/sh
case "$1" in
cache) echo {cache};;
repro) exec {python} stages/repro.py;;
esac
"""
WAIT_S = 60.0


@dataclass(frozen=True, kw_only=True)
class RetrainedProject:
    """Its folder is the working directory."""

    folder: Path
    settings: tuple[str, ...]

    @property
    def around(self) -> Retraining:
        return retraining_of(read_overrides(self.settings, SECTIONS))

    def pipeline(self, source: str) -> None:
        """What `dvc repro` does in a training's folder."""
        (self.folder / "stages/repro.py").write_text(PROGRAM + source)

    def does(self, what: str) -> None:
        """What deployment and rollout do."""
        (self.folder / "does.txt").write_text(what)

    def look(self, asked: str | None = None) -> str:
        return look(self.around, asked)

    def trainings(self) -> list[Training]:
        return read_trainings(self.folder / "retraining")

    def ended(self) -> None:
        """Wait until the training has written how it ended."""
        folder = self.around.folder(self.trainings()[-1].name)
        until(lambda: (folder / ".training/ended.json").is_file())

    def asked(self) -> list[str]:
        path = self.folder / "asked.txt"
        return path.read_text().splitlines() if path.is_file() else []

    def alerts(self) -> list[tuple[str, str]]:
        path = self.folder / "monitor/alerts.jsonl"
        lines = [json.loads(line) for line in path.read_text().splitlines()] if path.is_file() else []
        return [(line["key"], line["event"]) for line in lines]


def made_project(folder: Path, *settings: str) -> RetrainedProject:
    """With a store of two releases, of which the first is served; its pipeline exports the third."""
    shutil.copyfile(ROOT / "params.yaml", folder / "params.yaml")
    small_store(folder)
    for name in ("stages", "conf", "data/raw", ".dvc", "champion", ".venv/bin", ".venv-serving/bin", ".venv-load/bin"):
        (folder / name).mkdir(parents=True)
    (folder / "dvc.yaml").write_text("stages: {}\n")
    (folder / "conf/config.yaml").write_text("a: 1\n")
    (folder / "data/raw/month.csv").write_text("user-1\n")
    (folder / "serving_program.py").write_text(SERVING.format(root=str(ROOT), begun=time.time_ns() + 10**15))
    _program(folder / ".venv/bin/python", '#!/bin/sh\necho "$@" >> settled.txt\n')
    _program(folder / ".venv/bin/dvc", DVC.format(cache=folder / ".dvc/cache", python=sys.executable))
    _program(folder / ".venv-serving/bin/python", f'#!/bin/sh\nexec {sys.executable} serving_program.py "$@"\n')
    _program(folder / ".venv-load/bin/python", f'#!/bin/sh\nPYTHONPATH={ROOT} exec {sys.executable} "$@"\n')
    project = RetrainedProject(
        folder=folder, settings=("lifecycle.retraining.overrides=[]", "lifecycle.retraining.nice=0", *settings)
    )
    project.pipeline(EXPORTS)
    return project


def until(holds: Callable[[], bool], wait_s: float = WAIT_S) -> None:
    deadline = time.monotonic() + wait_s
    while not holds():
        assert time.monotonic() < deadline, "it takes too long"
        time.sleep(0.02)


def command(project: RetrainedProject, *words: str) -> subprocess.CompletedProcess[str]:
    """`python -m lifecycle.retrain` in the project."""
    line = [sys.executable, "-m", "lifecycle.retrain", *words, *project.settings]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.run(line, cwd=project.folder, env=environment, capture_output=True, text=True, check=False)


def contents(folder: Path) -> dict[str, bytes]:
    """Of all files but those that retraining is there to write."""
    own = ("retraining", "monitor", "asked.txt", "rollouts", "models")
    files = (path for path in sorted(folder.rglob("*")) if path.is_file() and path.relative_to(folder).parts[0] not in own)
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def _program(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(0o755)


__all__ = ["EXPORTS", "MODELS", "RetrainedProject", "command", "contents", "made_project", "until"]
