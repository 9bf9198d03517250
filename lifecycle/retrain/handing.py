"""Hands a training's export over: into the store, if comparison and gate let it, then to the rollout."""

import os
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from contracts.clock import clock
from contracts.serving.release_log import read
from contracts.serving.releases import EXPORTED, model_of
from lifecycle.retrain.calendar import after
from lifecycle.retrain.ledger import Training, TrainingHanded
from lifecycle.retrain.observe import under_way
from lifecycle.retrain.surroundings import Retraining
from lifecycle.retrain.training.order import own
from lifecycle.rollout.control.files import read_rollouts
from lifecycle.rollout.control.settings import SECTIONS as ROLLOUT_SECTIONS
from lifecycle.rollout.rollout import Rollout

SERVING_PYTHON = ".venv-serving/bin/python"
DEPLOY_SECTIONS = ("serving.server",)
LOG = "handed.log"
SAID = 300


@dataclass(frozen=True, kw_only=True)
class NotYet:
    """It could not be handed over now, and is tried again."""

    why: str


def hand_over(around: Retraining, training: Training) -> TrainingHanded | NotYet:
    """Do what is left to do of it. Killed anywhere, done again, it comes to the same."""
    if (release := _stored(around, training)) is None:
        if (waits := under_way(around)) is not None:
            return NotYet(why=f"{training.name} waits: {waits}")
        found = _bring_in(around, training)
        if not isinstance(found, int):
            return found
        release = found
    if release == around.store.active():
        return _refused(release, f"release {release} is what is served already: the same rows gave the same model")
    rollouts = [one for one in read_rollouts(around.rollouts) if one.challenger == release]
    if rollouts:
        return _tried(training, rollouts[-1], release)
    if (waits := under_way(around)) is not None:
        return NotYet(why=f"release {release} of {training.name} waits: {waits}")
    words = around.settings.words_of(ROLLOUT_SECTIONS)
    code, said = _run(around, training, "lifecycle.rollout", "begin", str(release), *words)
    if code == 0:
        return TrainingHanded(to="rollout", at_ns=clock().now_ns(), release=release)
    return _later(around, training, f"release {release} of {training.name} is not tried yet: {said}")


def _bring_in(around: Retraining, training: Training) -> int | TrainingHanded | NotYet:
    """The number of its export in the store."""
    before = len(read(around.store.folder)[0])
    told = [part for word in around.settings.words_of(DEPLOY_SECTIONS) for part in ("--set", word)]
    folder = str(around.folder(training.name))
    code, said = _run(around, training, "lifecycle.deploy", "--beside", "--from", folder, *told)
    release = _stored(around, training)
    if code == 0 and release is not None:
        return release
    refusals = [line for line in read(around.store.folder)[0][before:] if line["event"] == "refusal"]
    if refusals:
        return _refused(None, str(refusals[-1]["reasons"][0]))
    return _later(around, training, f"{training.name} is not in the store yet: {said}")


def _stored(around: Retraining, training: Training) -> int | None:
    """Its number, once releases.jsonl says how it came there."""
    exported = around.folder(training.name) / EXPORTED
    if model_of(exported) is None:
        return None
    release = around.store.released(exported)
    known = {line["version"] for line in read(around.store.folder)[0] if line["event"] in ("stored", "release")}
    return release if release in known else None


def _tried(training: Training, rollout: Rollout, release: int) -> TrainingHanded:
    """A rollout that began before the training is of an earlier one, which gave the same model."""
    if rollout.begun_ns < training.began.at_ns:
        return _refused(release, f"the same rows gave the same model as before, release {release}, tried in {rollout.name}")
    return TrainingHanded(to="rollout", at_ns=clock().now_ns(), release=release)


def _later(around: Retraining, training: Training, why: str) -> TrainingHanded | NotYet:
    """Tried again until the cool-down after the training is over: then another one may begin."""
    assert training.ended is not None
    now_ns = clock().now_ns()
    if now_ns >= after(training.ended.at_ns, around.config.cool_down):
        return TrainingHanded(to="dropped", at_ns=now_ns, why=why)
    return NotYet(why=why)


def _refused(release: int | None, why: str) -> TrainingHanded:
    return TrainingHanded(to="refused", at_ns=clock().now_ns(), release=release, why=why)


def _run(around: Retraining, training: Training, module: str, *arguments: str) -> tuple[int, str]:
    """A command's exit code and its last line; all that it printed is in the training's folder."""
    log = own(around.folder(training.name), LOG)
    command: Sequence[str] = (SERVING_PYTHON, "-m", module, *arguments)
    with log.open("ab") as out:
        start = out.tell()
        out.write(f"$ {' '.join(command)}\n".encode())
        out.flush()
        code = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT, check=False).returncode
    return code, _last_line(log, start)


def _last_line(log: Path, start: int) -> str:
    with log.open("rb") as lines:
        lines.seek(start, os.SEEK_SET)
        said = [line.strip() for line in lines.read().decode("utf-8", "replace").splitlines() if line.strip()]
    return said[-1][-SAID:]
