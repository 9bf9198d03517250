"""`python -m lifecycle.live.timeline`: the page that tells a play (docs/live.md); with --at, --why or --without one answer."""

if __name__ == "__main__":  # before the imports below, which take their time
    from contracts.terminal import end_on_ctrl_c

    end_on_ctrl_c()

import argparse
import sys
from pathlib import Path

from lifecycle.live.timeline.answers import moment_of, who_answered, why, without
from lifecycle.live.timeline.page import write_timeline
from lifecycle.live.timeline.picture import write_picture
from lifecycle.live.timeline.story import FACTS, Story, read_story
from serving.entry import run

WHOLE = Path("live/whole") / FACTS  # of `make live`, from the project's own folder
PAGE = Path("live/timeline.html")


def main() -> None:
    args = parse(sys.argv[1:])
    story = read_story(args.facts or (WHOLE if WHOLE.is_file() else FACTS))
    if args.at is not None:
        print(who_answered(story, moment_of(story, args.at)))
    elif args.why is not None:
        print(why(story, args.why))
    elif args.without is not None:
        print(said_without(story, args.without))
    elif args.picture is not None:
        write_picture(story, args.picture)
    else:
        write_timeline(story, args.page)
        print(f"live: {args.page} tells {len(story.days)} days")


def said_without(story: Story, number: int) -> str:
    """Raises ValueError if the candidate had no canary that was sent back."""
    found = next((one for one in story.without if one.number == number), None)
    if found is None:
        known = ", ".join(str(one.number) for one in story.without) or "none"
        raise ValueError(f"candidate {number} was not sent back from a canary; these were: {known}")
    return without(story, found)


def parse(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m lifecycle.live.timeline", description="Tell a play of `make live`.")
    parser.add_argument("--at", help="who answered then: 'day 40 12:00', 2026-09-09T12:00")
    parser.add_argument("--why", type=int, metavar="N", help="what became of candidate N, and why")
    parser.add_argument("--without", type=int, metavar="N", help="what would have been without the canary of candidate N")
    parser.add_argument("--picture", type=Path, metavar="FILE", help="write the months side by side as SVG")
    parser.add_argument("--page", type=Path, default=PAGE, help=f"(default {PAGE})")
    parser.add_argument("--facts", type=Path, help=f"(default {WHOLE}, else {FACTS})")
    return parser.parse_args(argv)


if __name__ == "__main__":
    run("live", main)
