"""`python -m lifecycle.rollout` (`make rollout`): tries a release beside the one that is served, step by step, until it is
promoted or sent back (docs/change/rollout.md).

Without words it goes on with the rollout that is under way, or begins one with the newest export, and looks at it every
`rollout.every_s` seconds. Writes the route, and below `rollout.folder` what it decided and why.
"""

if __name__ == "__main__":  # before the imports below, which take their time
    from contracts.terminal import end_on_ctrl_c

    end_on_ctrl_c()

import argparse
import getpass
import sys
from collections.abc import Sequence
from functools import partial

from lifecycle.rollout.control.begin import begin
from lifecycle.rollout.control.commands import asked, status_lines
from lifecycle.rollout.control.control import only_controller
from lifecycle.rollout.control.follow import follow, once, write_page
from lifecycle.rollout.control.observe import audit_lines, control_of
from lifecycle.rollout.control.settings import USAGE, words_and_settings
from serving.entry import run

say = partial(print, flush=True)


def main() -> int:
    args = parse(sys.argv[1:])
    asked_for, settings = words_and_settings(args.words)
    control = control_of(settings, say)
    match asked_for:
        case ():
            with only_controller(control.root):
                return once(control) if args.once else follow(control)
        case ("begin", release) if release.isdigit():
            begin(control, int(release), getpass.getuser())
            write_page(control)
        case (("pause" | "resume" | "abort" | "promote") as action,):
            asked(control, action, args.why)
            write_page(control)
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


def show(lines: Sequence[str]) -> None:
    for line in lines:
        say(f"rollout: {line}")


if __name__ == "__main__":
    run("rollout", main)
