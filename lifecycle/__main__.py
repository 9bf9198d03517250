"""`python -m lifecycle` (`make loop`): keeps a served model up to date. Runs journal, feedback, monitor, retraining and rollout
again and again, each as a command of its own environment (docs/change/retraining.md).
"""

if __name__ == "__main__":  # before the imports below, which take their time
    from contracts.terminal import end_on_ctrl_c

    end_on_ctrl_c()

import argparse
import logging
import signal
import sys
import threading
from pathlib import Path

from contracts.lifecycle.monitor import MonitorConfig
from contracts.lifecycle.retraining import LifecycleConfig
from contracts.overrides import Overrides, read_overrides
from lifecycle.locking import alone
from lifecycle.loop.jobs import jobs_of
from lifecycle.loop.status import LoopStatus
from lifecycle.loop.supervisor import Supervisor
from lifecycle.retrain.surroundings import SECTIONS
from serving.entry import run

LOCK = "lock"


def main() -> int:
    args = parse(sys.argv[1:])
    settings = read_overrides([word for words in args.settings for word in words.split()], SECTIONS)
    logging.getLogger("apscheduler").setLevel(logging.CRITICAL)  # that a run goes on when the next is due is no news
    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())
    supervisor = supervisor_of(settings, stopped)
    folder = Path(supervisor.config.folder)
    folder.mkdir(parents=True, exist_ok=True)
    with alone(folder / LOCK, f"another process runs these jobs ({folder}); stop it, or let it go on"):
        supervisor.end_left()
        return supervisor.once() if args.once else supervisor.follow()


def supervisor_of(settings: Overrides, stopped: threading.Event) -> Supervisor:
    config = settings.section("lifecycle", LifecycleConfig).loop
    return Supervisor(
        jobs=jobs_of(settings),
        config=config,
        monitor=Path(settings.section("monitor", MonitorConfig).folder),
        stopped=stopped,
        status=LoopStatus(folder=Path(config.folder)),
    )


def parse(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m lifecycle", description="Keeps a served model up to date.")
    parser.add_argument("settings", nargs="*", help="settings that count instead of params.yaml's, such as rollout.folder=tried")
    parser.add_argument("--once", action="store_true", help="run each job once, in this order, then end; 1 if one failed")
    return parser.parse_args(argv)


if __name__ == "__main__":
    run("lifecycle", main)
