"""Starts a training as a process that outlives us, and finds it again: by the lock that it holds for as long as it lives."""

import fcntl
import json
import os
import subprocess
from contextlib import suppress
from pathlib import Path

from lifecycle.retrain.training.order import LOCK as TRAINING_LOCK
from lifecycle.retrain.training.order import OWN, PROCESS, Order, own, read_order
from lifecycle.retrain.training.place import make_place
from lifecycle.sessions import boot, core_seconds, end_noted, members, started_ticks

PYTHON = Path(".venv-load/bin/python")
STARTED = "started.log"


def launch(project: Path, folder: Path, order: Order, served: Path | None) -> None:
    """Make the folder, unless it is complete, and start the training in it, in a session of its own.

    Started twice, the second process finds the lock taken and ends. Raises ValueError or OSError; nothing was started then.
    """
    if read_order(folder) is None:
        make_place(project, folder, order, served)
    with (folder / OWN / STARTED).open("wb") as out:
        subprocess.Popen(
            [str(PYTHON), "-m", "lifecycle.retrain.training", str(folder)],
            cwd=project,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def is_running(folder: Path) -> bool:
    """Does a training live in the folder."""
    try:
        lock = os.open(own(folder, TRAINING_LOCK), os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return False
    except BlockingIOError:
        return True
    finally:
        os.close(lock)


def process_of(folder: Path) -> int | None:
    """The process of the training that lives in the folder; None if none does."""
    if not is_running(folder):
        return None
    return int(json.loads(own(folder, PROCESS).read_bytes())["pid"])


def has_begun(folder: Path) -> bool:
    """Did the training's process ever come to life."""
    return own(folder, PROCESS).is_file()


def end_left(folder: Path) -> float:
    """End what a training that was killed has left running; its processor time, as far as it can be known."""
    spent = 0.0
    with suppress(OSError, ValueError, KeyError, TypeError):
        noted = json.loads(own(folder, PROCESS).read_bytes())
        pid = int(noted["pid"])
        if noted["boot"] == boot() and started_ticks(pid) in (None, noted["ticks"]) and members(pid):
            spent = core_seconds(pid)
    end_noted(own(folder, PROCESS))
    return spent
