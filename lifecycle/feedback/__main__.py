"""`python -m lifecycle.feedback` (`make feedback`): takes labels in, finds the answers that they are about, and makes
final those of which nothing can come any more (docs/feedback.md).
"""

if __name__ == "__main__":  # before the imports below, which take their time
    from contracts.terminal import end_on_ctrl_c

    end_on_ctrl_c()

import argparse
import sys
from pathlib import Path

import polars as pl

from contracts.overrides import read_overrides
from lifecycle.feedback.running.client import hand_over
from lifecycle.feedback.running.surroundings import surroundings
from lifecycle.feedback.running.work import FeedbackOrder, run_order
from lifecycle.feedback.store import StoreTaken, opened_store
from serving.entry import run


def main() -> None:
    pl.Config.set_engine_affinity("in-memory")  # pandera asks many small questions; streaming each takes 12 times as long
    args = parse(sys.argv[1:])
    around = surroundings(args.journal, args.folder, read_overrides(args.set, ("serving.journal", "feedback")))
    order = FeedbackOrder(
        inputs=tuple(str(Path(name).absolute()) for name in args.input),
        complete=args.complete_until,
        as_of=args.as_of,
        source=args.source,
        reopen=args.reopen,
        labelled=args.labelled,
    )
    try:
        with opened_store(around.config) as store:
            run_order(store, around, order, say)
    except StoreTaken as busy:
        if busy.url is None:
            raise
        for line in hand_over(busy.url, Path(around.config.secret_file), order):
            say(line)


def parse(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m lifecycle.feedback", description="Labels for what was answered.")
    parser.add_argument("input", nargs="*", help="files or folders; none: only look for what has matured")
    parser.add_argument(
        "--complete-until", metavar="TIME", help="the feed is complete until the end of this month or day, or this time"
    )
    parser.add_argument(
        "--as-of", metavar="TIME", help="when what the files say was said, so that it corrects what was said before"
    )
    parser.add_argument("--source", help="who says it (default: file); what one source says later corrects what it said before")
    parser.add_argument("--reopen", action="store_true", help="take in corrections that came after their label was final")
    parser.add_argument(
        "--labelled", action="store_true", help="write the rows with final labels as a data set (feedback.labelled)"
    )
    parser.add_argument("--journal", help="its folder (default: serving.journal.folder)")
    parser.add_argument("--folder", help="of the store and the labels (default: feedback.folder)")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="a setting that counts instead")
    return parser.parse_args(argv)


def say(text: str) -> None:
    print(f"feedback: {text}", flush=True)


if __name__ == "__main__":
    run("feedback", main)
