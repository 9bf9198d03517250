"""`python -m lifecycle.retrain` (`make retrain`): trains another model when it is time to, in a folder of its own, and hands it
to the rollout (docs/change/retraining.md). Does not wait for a training: the next look harvests it.
"""

if __name__ == "__main__":  # before the imports below, which take their time
    from contracts.terminal import end_on_ctrl_c

    end_on_ctrl_c()

import argparse
import os
import signal
import sys
import time
from collections.abc import Sequence
from contextlib import suppress

from contracts.clock import clock
from contracts.overrides import read_overrides
from lifecycle.locking import alone
from lifecycle.retrain.budget import spent_core_s
from lifecycle.retrain.calendar import shown
from lifecycle.retrain.launch import is_running, process_of
from lifecycle.retrain.ledger import Training, open_training, read_trainings
from lifecycle.retrain.look import look
from lifecycle.retrain.surroundings import SECTIONS, Retraining, retraining_of
from lifecycle.retrain.training.order import read_spent
from serving.entry import run

WORDS = ("look", "now", "status", "stop")
LOCK, POLL_S = ".lock", 2.0


def main() -> int:
    args = parse(sys.argv[1:])
    words = [word for given in args.words for word in given.split()]
    told = [word for word in words if "=" not in word] or ["look"]
    if len(told) > 1 or told[0] not in WORDS:
        raise ValueError(
            f"expected one of {', '.join(WORDS)}, and settings such as lifecycle.retraining.every=7d; got '{' '.join(told)}'"
        )
    around = retraining_of(read_overrides([word for word in words if "=" in word], SECTIONS))
    around.root.mkdir(parents=True, exist_ok=True)
    if told == ["status"]:
        say(status_lines(around))
        return 0
    if told == ["stop"]:
        return stop(around)
    with alone(around.root / LOCK, f"another look at {around.root}/ is under way; wait until it has ended"):
        say([look(around, args.why if told == ["now"] else None)])
        while args.wait and open_training(read_trainings(around.root)) is not None:
            time.sleep(POLL_S)
            said = look(around)
            if open_training(read_trainings(around.root)) is None:
                say([said])
    return 0


def parse(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m lifecycle.retrain", description="Trains another model when it is time to.")
    parser.add_argument("words", nargs="*", help=f"{', '.join(WORDS)} (default: look); and settings of params.yaml")
    parser.add_argument("--why", default="", help="with now: the reason, which is kept")
    parser.add_argument("--wait", action="store_true", help="until the training that is under way has ended and is handed over")
    return parser.parse_args(argv)


def status_lines(around: Retraining) -> list[str]:
    """What was spent this month, then the trainings, the newest first."""
    trainings = read_trainings(around.root)
    running = next((read_spent(around.folder(one.name))[0] for one in trainings if one.ended is None), 0.0)
    now_ns = clock().now_ns()
    spent = spent_core_s(trainings, now_ns, running) / 3600
    head = f"{spent:.2f} of {around.config.budget_core_hours:g} core hours of {shown(now_ns)[:7]} are spent"
    return [head, *(_line(around, training) for training in reversed(trainings))]


def _line(around: Retraining, training: Training) -> str:
    began, ended, handed = training.began, training.ended, training.handed
    parts = [f"{training.name}: began {shown(began.at_ns)} ({began.cause}: {began.reason})"]
    if ended is None:
        parts.append("trains" if is_running(around.folder(training.name)) else "does not run; the next look sees to it")
    else:
        parts.append(f"{ended.outcome}{f': {ended.why}' if ended.why else ''}, {ended.core_s / 3600:.2f} core hours")
    if handed is not None:
        release = "" if handed.release is None else f" as release {handed.release}"
        parts.append(f"{handed.to}{release}{f': {handed.why}' if handed.why else ''}")
    return "; ".join(parts)


def stop(around: Retraining) -> int:
    """Tell the training that runs to end; the next look harvests it."""
    training = open_training(read_trainings(around.root))
    pid = None if training is None else process_of(around.folder(training.name))
    if training is None or pid is None:
        raise ValueError("no training runs")
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGTERM)
    say([f"{training.name} was told to end; the next look harvests it"])
    return 0


def say(lines: Sequence[str]) -> None:
    for line in lines:
        print(f"retrain: {line}", flush=True)


if __name__ == "__main__":
    run("retrain", main)
