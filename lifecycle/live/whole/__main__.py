"""`python -m lifecycle.live.whole` (`make live`): three months from drift to a replaced champion and on, in a copy of the
project, told by one page, live/timeline.html (docs/live.md).
"""

if __name__ == "__main__":  # before the imports below, which take their time
    from contracts.terminal import end_on_ctrl_c

    end_on_ctrl_c()

import argparse
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path

from lifecycle.live.whole.project import prepare
from lifecycle.locking import alone
from serving.entry import run

LOAD, SERVE = ".venv-load/bin/python", ".venv-serving/bin/python"
FOLDER, PAGE = Path("live/whole"), Path("live/timeline.html")
say = partial(print, flush=True)


def main() -> int:
    args = parse(sys.argv[1:])
    folder: Path = args.folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    taken = f"another `make live` plays in {folder}/; wait for it"
    with alone(folder.parent / f".{folder.name}.lock", taken):
        prepare(Path.cwd(), folder, args.settings, say)
        code = _there(folder, [LOAD, "-m", "lifecycle.live", *args.settings])
        told = code or _there(folder, [SERVE, "-m", "lifecycle.live.timeline.facts"]) or _page(folder, args.page)
    return told


def _page(folder: Path, page: Path) -> int:
    code = _there(folder, [LOAD, "-m", "lifecycle.live.timeline", "--page", str(page.absolute())])
    if code == 0:
        say(f"live: {page} tells it, day by day; a question: python -m lifecycle.live.timeline --at 'day 40 12:00'")
    return code


def _there(folder: Path, command: list[str]) -> int:
    """Run it in the copy, to its end: Ctrl-C reaches it as well, and it ends by itself."""
    process = subprocess.Popen(command, cwd=folder)
    while True:
        try:
            return process.wait()
        except KeyboardInterrupt:
            process.send_signal(signal.SIGTERM)


def stopped(*_: object) -> None:
    """SIGTERM ends a play as Ctrl-C does."""
    raise KeyboardInterrupt


def parse(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m lifecycle.live.whole", description="Three months, drift to champion and on.")
    parser.add_argument("settings", nargs="*", metavar="KEY=VALUE", help="of conf/live/, such as pages_per_month=12500")
    parser.add_argument("--folder", type=Path, default=FOLDER, help=f"of the copy (default {FOLDER}/)")
    parser.add_argument("--page", type=Path, default=PAGE, help=f"that is written at the end (default {PAGE})")
    return parser.parse_args(argv)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, stopped)
    run("live", main)
