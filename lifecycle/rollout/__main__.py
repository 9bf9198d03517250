"""`python -m lifecycle.rollout` (`make rollout`): tries a release beside the one that is served, step by step, until it is
promoted or sent back (docs/rollout.md).

Without words it goes on with the rollout that is under way, or begins one with the newest export, and looks at it every
`rollout.every_s` seconds. Writes the route, and below `rollout.folder` what it decided and why.
"""

if __name__ == "__main__":  # before the imports below, which take their time
    from contracts.terminal import end_on_ctrl_c

    end_on_ctrl_c()

import argparse
import getpass
import signal
import sys
import threading
from collections.abc import Sequence
from functools import partial

from contracts.clock import clock
from contracts.terminal import sentence
from lifecycle.rollout.control.begin import begin, begin_newest
from lifecycle.rollout.control.commands import NONE, asked, status_lines
from lifecycle.rollout.control.control import Control, only_controller
from lifecycle.rollout.control.files import read_rollout
from lifecycle.rollout.control.look import look_once
from lifecycle.rollout.control.observe import audit_lines, control_of
from lifecycle.rollout.control.settings import USAGE, told
from lifecycle.rollout.rollout import Rollout
from serving.entry import run

say = partial(print, flush=True)


def main() -> int:
    args = parse(sys.argv[1:])
    asked_for = told(args.words)
    control = control_of(asked_for, say)
    match asked_for.words:
        case ():
            with only_controller(control.root):
                return once(control) if args.once else follow(control)
        case ("begin", release) if release.isdigit():
            begin(control, int(release), getpass.getuser())
        case (("pause" | "resume" | "abort" | "promote") as action,):
            asked(control, action, args.why)
        case ("status",):
            show(status_lines(control))
        case ("audit", *names) if len(names) <= 1:
            lines, is_same = audit_lines(control, *names)
            show(lines)
            return 0 if is_same else 1
        case words:
            raise ValueError(f"expected {USAGE}; got '{' '.join(words)}'")
    return 0


def parse(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m lifecycle.rollout", description="Try a release beside what is served.")
    parser.add_argument("words", nargs="*", help=f"{USAGE}; and settings, such as rollout.folder=tried")
    parser.add_argument("--once", action="store_true", help="one look at the rollout that is under way, and no other is begun")
    parser.add_argument("--why", default="", help="the reason, kept with the decision; abort and promote need one")
    args = parser.parse_args(argv)
    args.words = [word for words in args.words for word in words.split()]
    return args


def once(control: Control) -> int:
    """One look; what it changes is told as it happens."""
    rollout = read_rollout(control.root)
    if rollout is None or rollout.status == "ended":
        say(f"rollout: {NONE}")
    look_once(control)
    return 0


def follow(control: Control) -> int:
    """Look until the rollout has ended; a look that fails is told, and the next one comes all the same. 0: promoted."""
    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())
    rollout = read_rollout(control.root)
    if rollout is None or rollout.status == "ended":
        rollout = begin_newest(control)
    while rollout.status != "ended" and not stopped.is_set():
        try:
            look_once(control)
        except (ValueError, OSError) as error:
            print(f"rollout: error: {sentence(error)}; the next look tries again", file=sys.stderr, flush=True)
        rollout = read_rollout(control.root) or rollout
        if rollout.status != "ended":
            stopped.wait(control.config.every_s / clock().rate)
    return ended(control, rollout)


def ended(control: Control, rollout: Rollout) -> int:
    """The exit code: 0 if the challenger is the champion now, or may become it yet."""
    if rollout.status != "ended":
        hours = control.config.valid_s / 3600
        say(f"rollout: stopped; within {hours:g} h the champion answers everybody, until `make rollout` goes on")
        return 0
    return 0 if rollout.outcome == "promoted" else 1


def show(lines: Sequence[str]) -> None:
    for line in lines:
        say(f"rollout: {line}")


if __name__ == "__main__":
    run("rollout", main)
