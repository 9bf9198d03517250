"""`python -m lifecycle.retrain.training FOLDER`: runs the pipeline in a training's folder, at low priority, and writes down what
it cost and how it ended. `lifecycle.retrain` starts it, and does not wait for it.
"""

if __name__ == "__main__":  # before the imports below, which take their time
    from contracts.terminal import end_on_ctrl_c

    end_on_ctrl_c()

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

from lifecycle.locking import alone
from lifecycle.retrain.training.order import LOCK, PROCESS, End, own, read_end, read_order, write_end
from lifecycle.retrain.training.steps import StepFailed, TookTooLong, TrainingSteps, WasStopped
from lifecycle.sessions import note
from serving.entry import run

LOWEST = 19
AUTOGROUP = Path("/proc/self/autogroup")


def main() -> None:
    folder = Path(sys.argv[1]).absolute()
    order = read_order(folder)
    if order is None:
        raise ValueError(f"{folder} is no training's folder; `make retrain` makes them")
    with alone(own(folder, LOCK), f"{folder} has a training under way"):
        if read_end(folder) is not None:
            return
        note(own(folder, PROCESS), os.getpid())
        yield_to_others(order.nice)
        stopped = threading.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: stopped.set())
        began = time.monotonic()
        trained = TrainingSteps(folder=folder, began=began, longest_s=order.longest_s, stopped=stopped)
        try:
            trained.run(order.overrides)
            outcome, why = "trained", ""
        except TookTooLong:
            outcome, why = "too_long", f"it did not end within {order.longest_s / 3600:g} h (longest_h) and was ended"
        except WasStopped:
            outcome, why = "stopped", "it was ended by a user"
        except (StepFailed, OSError) as error:
            outcome, why = "failed", str(error)
        write_end(folder, End(outcome=outcome, seconds=time.monotonic() - began, core_s=trained.core_s(), why=why))


def yield_to_others(nice: int) -> None:
    """Take processors, and the disk, only when nobody else wants them; what the machine does not allow is left.

    Linux shares processors among sessions first, and by `nice` only within one (autogroup, sched(7)): a session of its own gets
    it too.
    """
    os.nice(nice)
    if os.getsid(0) == os.getpid():
        with suppress(OSError):
            AUTOGROUP.write_text(str(nice))
    if nice == LOWEST:
        with suppress(OSError):  # what others want comes at once then, instead of soon
            os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    if (ionice := shutil.which("ionice")) is not None:
        subprocess.run([ionice, "-c", "3", "-p", str(os.getpid())], capture_output=True, check=False)


if __name__ == "__main__":
    run("training", main)
