"""`python -m lifecycle.journal`: closed segments of the journal as Parquet files, each row exactly once (docs/journal.md)."""

if __name__ == "__main__":  # before the imports below, which take their time
    from contracts.terminal import end_on_ctrl_c

    end_on_ctrl_c()

import argparse
import signal
import sys
import threading
from pathlib import Path

from lifecycle.journal.answers import Unreadable
from lifecycle.journal.segments import NotASegment
from lifecycle.journal.served import SERVED, damages_of, only_one, serve_segment, waiting
from serving.entry import run
from serving.server.settings import load_journal_config

LOOK_S = 1.0  # between two looks for closed segments


def main() -> int:
    args = parse(sys.argv[1:])
    config = load_journal_config(folder=None if args.folder is None else str(args.folder))
    if config is None:
        raise ValueError("no journal is configured; name its folder: python -m lifecycle.journal --folder FOLDER")
    folder = Path(config.folder)
    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())
    with only_one(folder):
        return follow(folder, stopped) if args.follow else 1 if convert(folder, stopped, set()) else 0


def parse(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m lifecycle.journal", description="Closed segments of the journal as Parquet files."
    )
    parser.add_argument("--folder", type=Path, help="of the journal (default: serving.journal.folder)")
    parser.add_argument("--follow", action="store_true", help="go on with those that are closed later, until it is stopped")
    return parser.parse_args(argv)


def follow(folder: Path, stopped: threading.Event) -> int:
    """Convert what is closed until `stopped` is set. Each fault is told once."""
    told: set[str] = set()
    while not stopped.is_set():
        convert(folder, stopped, told, is_quiet=True)
        stopped.wait(LOOK_S)
    return 0


def convert(folder: Path, stopped: threading.Event, told: set[str], is_quiet: bool = False) -> int:
    """Convert the closed segments; how many of them hold what cannot be read, beside frames that a writer could not end."""
    segments = rows = faulty = 0
    for path in waiting(folder):
        if stopped.is_set():
            break
        try:
            done = serve_segment(folder, path)
        except (NotASegment, Unreadable) as error:
            faulty += 1
            if path.name not in told:
                told.add(path.name)
                print(f"journal: {path.name if isinstance(error, Unreadable) else ''}{error}", file=sys.stderr, flush=True)
            continue
        segments, rows = segments + 1, rows + done.rows
        for damage in damages_of(done):
            faulty += not damage.is_torn
            print(f"journal: {damage}; the rest was read", file=sys.stderr, flush=True)
    if segments or not is_quiet:
        print(f"journal: {rows} rows of {segments} segments are in {folder / SERVED}", flush=True)
    return faulty


if __name__ == "__main__":
    run("journal", main)
