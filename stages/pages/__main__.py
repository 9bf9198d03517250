"""`python -m stages.pages`: months of page views of the simulated exchange, which `make live` plays (docs/live.md)."""

if __name__ == "__main__":  # before the imports below, which take their time
    from contracts.terminal import end_on_ctrl_c

    end_on_ctrl_c()

import argparse
import sys
from datetime import UTC, datetime
from pathlib import Path

from contracts.lifecycle.live import WORLD
from stages.entry import run_stage
from stages.pages.faults import WorldFault
from stages.pages.write import write_pages
from stages.settings import load_section
from stages.simulate.config import ExchangeConfig


def main() -> None:
    args = parse(sys.argv[1:])
    config, fault = load_section("exchange", ExchangeConfig), fault_of(args)
    made = [write_pages(config, month, args.pages, args.candidates, fault, args.out) for month in args.months]
    print(f"pages: {len(made)} months of {args.pages} page views in {args.out}/, {sum(made)} new or changed")


def parse(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m stages.pages", description="Page views of the simulated exchange.")
    parser.add_argument("--months", nargs="+", required=True, metavar="YYYY-MM")
    parser.add_argument("--out", type=Path, required=True, help="folder; each month is a folder in it")
    parser.add_argument("--candidates", type=int, required=True, help="creatives a page view")
    parser.add_argument("--pages", type=int, required=True, help="page views a month")
    parser.add_argument("--fault", choices=WORLD, help="what goes wrong in the world")
    parser.add_argument("--since", help="when it begins: a date or a time, UTC")
    parser.add_argument("--share", type=float, default=1.0, help="of page views, or of new creatives, that have it")
    parser.add_argument("--size", type=float, default=0.0, help="log-odds of drift, share of light that dark images keep")
    parser.add_argument("--over-days", type=float, default=0.0, help="until a drift has its size")
    args = parser.parse_args(argv)
    if args.candidates < 1 or args.pages < 1:
        raise ValueError(f"--candidates and --pages must be at least 1, got {args.candidates} and {args.pages}")
    if (args.fault is None) != (args.since is None):
        raise ValueError("--fault and --since are given together")
    return args


def fault_of(args: argparse.Namespace) -> WorldFault | None:
    """What is asked for. Raises ValueError."""
    if args.fault is None:
        return None
    if not 0 < args.share <= 1:
        raise ValueError(f"--share must be above 0 and at most 1, got {args.share:g}")
    try:
        since = datetime.fromisoformat(args.since)
    except ValueError:
        raise ValueError(f"--since must be a date or a time such as 2026-08-11T12:00, got '{args.since}'") from None
    since = since if since.tzinfo else since.replace(tzinfo=UTC)
    return WorldFault(kind=args.fault, since_s=int(since.timestamp()), share=args.share, size=args.size, over_days=args.over_days)


if __name__ == "__main__":
    run_stage(main)
