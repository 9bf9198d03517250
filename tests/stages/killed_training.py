"""Runs the stage `train` and kills it (SIGKILL, or SIGTERM) at a chosen moment: `killed_training <folder>=<moment> ...`.

One process imports torch and forks for each run, in the order given. Prints the exit code of each run and what it said.
"""

if __name__ == "__main__":  # before matplotlib is imported, which Lightning does
    from contracts.local_libraries import keep_matplotlib_here

    keep_matplotlib_here()

import os
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from stages import train
from stages.entry import run_stage
from stages.models import checkpoint_io, resume
from stages.models.ctr_module import CtrModule
from stages.models.curves import CurveWriter


def kill(*_: Any, **__: Any) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def tell_to_end(*_: Any, **__: Any) -> None:
    os.kill(os.getpid(), signal.SIGTERM)


def kill_at_call(number: int, function: Callable, *, after: bool, kill: Callable[[], None] = kill) -> Callable:
    """`function`, but its call `number` (from 1) kills the process, before or after doing its work."""
    calls = 0

    def killing(*args: Any, **kwargs: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == number and not after:
            kill()
        result = function(*args, **kwargs)
        if calls == number:
            kill()
        return result

    return killing


def arrange(moment: str) -> None:
    """Have this process killed at `moment`, `<name>` or `<name>:<call number>`."""
    name, _, number = moment.partition(":")
    count = int(number or 1)
    owner, attribute, after = {
        "step": (CurveWriter, "on_train_batch_end", True),  # after a step, its loss already counted
        "told to end": (CurveWriter, "on_train_batch_end", True),
        "validation": (CtrModule, "validation_step", True),
        "tensors written": (checkpoint_io, "save_file", True),  # the checkpoint's folder is half done
        "checkpoint renamed": (resume.CheckpointWriter, "_remove_older", False),
        "best written": (resume, "write_weights", True),  # no checkpoint refers to these weights yet
        "trained": (train, "write_outputs", False),
        "model written": (train, "save_model", True),
        "outputs written": (train, "write_outputs", True),
    }[name]
    how = tell_to_end if name == "told to end" else kill
    setattr(owner, attribute, kill_at_call(count, getattr(owner, attribute), after=after, kill=how))


def run_once(folder: str, moment: str) -> int:
    """Exit status of one run of the stage in `folder`, killed at `moment` unless that is `never`.

    Moment `reports removed` is no run: it does what DVC does to a stage's outputs before the stage runs again.
    """
    if moment == "reports removed":
        shutil.rmtree(Path(folder) / "reports")
        return 0
    sys.stdout.flush()
    pid = os.fork()
    if pid == 0:
        os.dup2(1, 2)
        os.chdir(folder)
        if moment != "never":
            arrange(moment)
        sys.argv[0] = "train.py"
        try:
            run_stage(train.main)
        except SystemExit as stop:
            sys.stdout.flush()
            os._exit(int(stop.code or 0))
        sys.stdout.flush()
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


if __name__ == "__main__":
    for argument in sys.argv[1:]:
        print(f"exit {run_once(*argument.split('='))}", flush=True)
