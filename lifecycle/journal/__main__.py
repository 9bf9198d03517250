"""`python -m lifecycle.journal`: closed segments of the journal become Parquet files, each row exactly once, and what is too old
goes (docs/journal.md).
"""

if __name__ == "__main__":  # before the imports below, which take their time
    from contracts.terminal import end_on_ctrl_c

    end_on_ctrl_c()

import argparse
import signal
import sys
import threading
from pathlib import Path

import pyarrow as pa

from contracts.overrides import read_overrides
from lifecycle.journal.metrics import told_at
from lifecycle.journal.served import only_one
from lifecycle.journal.work import Work
from serving.entry import run
from serving.server.settings import load_journal_config


def main() -> int:
    args = parse(sys.argv[1:])
    told = read_overrides(args.set, ("serving.journal",)).of("serving.journal")
    config = load_journal_config(folder=None if args.folder is None else str(args.folder), overrides=told)
    if config is None:
        raise ValueError("no journal is configured; name its folder: python -m lifecycle.journal --folder FOLDER")
    pa.set_memory_pool(pa.system_memory_pool())  # a tenth less CPU time here than the others, and a fifth less memory
    folder = Path(config.folder)
    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())
    with only_one(folder):
        work = Work(folder, config, stopped)
        if not args.follow:
            return work.once()
        with told_at(work.metrics, args.metrics_port):
            return work.follow()


def parse(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m lifecycle.journal", description="Closed segments of the journal as Parquet files."
    )
    parser.add_argument("--folder", type=Path, help="of the journal (default: serving.journal.folder)")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="a setting that counts instead")
    parser.add_argument("--follow", action="store_true", help="go on with those that are closed later, until it is stopped")
    parser.add_argument("--metrics-port", type=int, help="with --follow: where Prometheus asks, on loopback")
    args = parser.parse_args(argv)
    if args.metrics_port is not None and not args.follow:
        raise ValueError("--metrics-port goes with --follow")
    return args


if __name__ == "__main__":
    run("journal", main)
