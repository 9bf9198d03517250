"""`python -m serving.server.releases` (`make releases`) lists the releases of the store; with `prune --keep N` (`make prune
KEEP=N`) it removes all but the newest N, the one that is served and the one before it.
"""

if __name__ == "__main__":  # before the imports below, which take their time
    from contracts.terminal import end_on_ctrl_c

    end_on_ctrl_c()

import argparse
import sys
from datetime import UTC, datetime
from pathlib import Path

from contracts.serving.releases import PUBLIC
from serving.entry import run
from serving.releases.store import Store
from serving.server.settings import load_server_config

MIB = 2**20


def main() -> None:
    args = parse(sys.argv[1:])
    store = Store(Path(args.store or load_server_config().store))
    if args.command == "prune":
        removed = store.prune(args.keep)
        names = f"version{'s' if len(removed) > 1 else ''} {', '.join(map(str, removed))}" if removed else "nothing"
        print(f"releases: removed {names} of {store.folder}/")
    for line in release_lines(store):
        print(f"releases: {line}")


def parse(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m serving.server.releases", description="List or prune the released models.")
    parser.add_argument("--store", type=Path, help="folder of the releases (default: serving.server.store)")
    parser.set_defaults(command="list")
    commands = parser.add_subparsers(dest="command", metavar="list | prune")
    commands.add_parser("list", help="list the releases (default)")
    prune = commands.add_parser("prune", help="remove old releases; never the served one nor the one before it")
    prune.add_argument("--keep", type=at_least_one, required=True, help="how many of the newest releases stay, 1 or more")
    args = parser.parse_args(argv)
    args.command = args.command or "list"
    return args


def at_least_one(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number of releases, 1 or more, got '{text}'")
    return int(text)


def release_lines(store: Store) -> list[str]:
    """A line for each release, ascending: version, when it was released, size, and whether it is served."""
    active, before = store.active(), store.before()
    role = {active: ", is served", before: ", was served before it"}
    lines = [
        f"version {number}, released {released_at(store, number):%Y-%m-%d %H:%M} UTC, {size_mib(store, number):.1f} MiB"
        f"{role.get(number, '')}"
        for number in store.versions()
    ]
    return lines or [f"{store.folder}/ holds none; `make serve` or `make deploy` makes the first"]


def released_at(store: Store, version: int) -> datetime:
    """When the version folder was written: the time of its last change, which nothing changes afterwards."""
    return datetime.fromtimestamp((store.folder / PUBLIC / str(version)).stat().st_ctime, tz=UTC)


def size_mib(store: Store, version: int) -> float:
    """Of the files of all models of the release."""
    folders = (store.folder / model / str(version) for model in store.models(version))
    return sum(path.stat().st_size for folder in folders for path in folder.rglob("*") if path.is_file()) / MIB


if __name__ == "__main__":
    run("releases", main)
