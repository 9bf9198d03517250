"""`python -m lifecycle.journal`: closed segments of the journal as Parquet files, each row exactly once (docs/journal.md).

It also removes images that are old, or too many.
"""

if __name__ == "__main__":  # before the imports below, which take their time
    from contracts.terminal import end_on_ctrl_c

    end_on_ctrl_c()

import argparse
import signal
import sys
import threading
import time
from datetime import UTC, datetime
from pathlib import Path

from contracts.serving.config import JournalConfig
from lifecycle.journal.answers import Unreadable
from lifecycle.journal.images import remove_images
from lifecycle.journal.segments import NotASegment
from lifecycle.journal.served import SERVED, damages_of, only_one, serve_segment, waiting
from serving.entry import run
from serving.server.settings import load_journal_config

LOOK_S = 1.0  # between two looks for closed segments
IMAGES_S = 600.0  # between two looks for old images


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
        if args.follow:
            return follow(folder, config, stopped)
        faulty = convert(folder, stopped, set())
        tidy_images(folder, config)
        return 1 if faulty else 0


def parse(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m lifecycle.journal", description="Closed segments of the journal as Parquet files."
    )
    parser.add_argument("--folder", type=Path, help="of the journal (default: serving.journal.folder)")
    parser.add_argument("--follow", action="store_true", help="go on with those that are closed later, until it is stopped")
    return parser.parse_args(argv)


def follow(folder: Path, config: JournalConfig, stopped: threading.Event) -> int:
    """Convert what is closed until `stopped` is set. Each fault is told once."""
    told: set[str] = set()
    tidied = float("-inf")
    while not stopped.is_set():
        convert(folder, stopped, told, is_quiet=True)
        if time.monotonic() - tidied >= IMAGES_S:
            tidied = time.monotonic()
            tidy_images(folder, config)
        stopped.wait(LOOK_S)
    return 0


def tidy_images(folder: Path, config: JournalConfig) -> None:
    """Remove images that the settings want no longer."""
    removed = remove_images(folder, config.images_keep_days, int(config.images_max_gib * 2**30), datetime.now(UTC))
    if removed.images:
        left = f"{removed.kept_images} are left, {removed.kept_bytes / 2**20:.1f} MiB"
        print(f"journal: {removed.images} images removed, {removed.bytes / 2**20:.1f} MiB; {left}", flush=True)


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
