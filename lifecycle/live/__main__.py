"""`python -m lifecycle.live` (`make live`): months of the simulated exchange, played against a server (docs/live.md)."""

if __name__ == "__main__":  # before the imports below, which take their time
    from contracts.terminal import end_on_ctrl_c

    end_on_ctrl_c()

import argparse
import signal
import sys
from contextlib import AbstractContextManager, ExitStack
from functools import partial
from pathlib import Path

from contracts.files import write_whole
from lifecycle.live.after import DayCommands
from lifecycle.live.ask import sender
from lifecycle.live.pages import draw_pages, refuse_other_settings
from lifecycle.live.play import Play
from lifecycle.live.server import begin_clock, own_server, refuse_late_clock, refuse_other_clock
from lifecycle.live.settings import load_live_config, played_world
from lifecycle.locking import alone
from serving.client import CtrClient, DeadlineExceeded, ServerFailed, ServerUnavailable
from serving.entry import run

TOLD_S = 60.0  # of the machine, until a clock that is printed reaches the next page view: a server is started by hand
SETTLED_S = 60.0  # in which a server of our own closes its segments: a busy machine takes longer than the half second that it may
say = partial(print, flush=True)


def main() -> None:
    args = parse(sys.argv[1:])
    config = load_live_config(args.fault, args.settings)
    world, folder = played_world(config), Path(config.folder)
    journal = args.journal or folder / "journal"
    play = Play(
        config=config,
        months=world.months,
        seed=world.seed,
        declaration=world.declaration,
        folder=folder,
        journal=journal,
        say=say,
        settled_within_s=SETTLED_S if args.url is None else 0.0,
    )
    with only_one(folder):
        draw_pages(config, world.months, folder / "pages")
        refuse_other_settings(config, world.months, folder / "pages", folder)
        if args.clock:
            print(begin_clock(play.next_ms(), TOLD_S, config.rate).variable())
            return
        played(play, args.url)


def played(play: Play, url: str | None) -> None:
    """Play what is left of the months, against the server at `url` or one of our own."""
    config, folder = play.config, play.folder
    months, next_ms = ", ".join(play.months), play.next_ms()
    where = f"events in {folder}/feedback/, the months' files in {folder}/months/"
    if play.is_over:
        say(f"live: {months} is played already; {where}")
        return
    places = {"folder": str(folder), "journal": str(play.journal), "events": f"{folder}/feedback/{{day}}.jsonl"}
    with ExitStack() as stack:
        if url is None:
            told = begin_clock(next_ms, config.start_s, config.rate)
            write_whole(folder / "clock", told.variable().encode())
            (url, http_port), check = stack.enter_context(own_server(folder, config.rate)), None
            places["http_port"] = str(http_port)
        else:
            refuse_late_clock(next_ms)
            check = refuse_other_clock
        client = stack.enter_context(CtrClient(url))
        asking = stack.enter_context(sender(client, config.in_flight, play.entity, check))
        after = stack.enter_context(DayCommands(config.after_day, folder / "after", places, say))
        play.play(asking, after)
        say(f"live: {months} played; {after.waiting} days wait for what comes after them")
    play.end()
    say(f"live: done; {where}")


def stopped(*_: object) -> None:
    """SIGTERM ends a play as Ctrl-C does."""
    raise KeyboardInterrupt


def only_one(folder: Path) -> AbstractContextManager[None]:
    """Raises ValueError if another program plays in the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    taken = f"another program plays in {folder}/; wait for it, or name another: make live FAULT=none ARGS=folder=live/second"
    return alone(folder / "lock", taken)


def parse(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m lifecycle.live", description="Play months of the simulated exchange.")
    parser.add_argument("settings", nargs="*", metavar="KEY=VALUE", help="of conf/live/default.yaml, such as policy=top1_of_k")
    parser.add_argument("--fault", help="a file of conf/live/: what goes wrong")
    parser.add_argument("--url", help="gRPC address of a server that runs with the same clock (default: one of its own)")
    parser.add_argument("--journal", type=Path, help="with --url: folder of that server's journal")
    parser.add_argument("--clock", action="store_true", help="print a clock for a server that is to be played against")
    args = parser.parse_args(argv)
    if (args.url is None) != (args.journal is None) and not args.clock:
        raise ValueError("--url and --journal are given together")
    return args


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, stopped)
    run("live", main, DeadlineExceeded, ServerFailed, ServerUnavailable)
