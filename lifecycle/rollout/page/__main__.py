"""`python -m lifecycle.rollout.page [name]`: writes reports/rollout.html of the newest rollout, or of the one that is named."""

if __name__ == "__main__":  # before the imports below, which take their time
    from contracts.terminal import end_on_ctrl_c

    end_on_ctrl_c()

import argparse
import sys
from pathlib import Path

from contracts.clock import clock
from contracts.lifecycle.rollout import RolloutConfig
from contracts.params import read_section
from lifecycle.rollout.control.files import read_decisions, read_rollouts, read_state
from lifecycle.rollout.page.write import write_rollout_page
from serving.entry import run

PAGE = Path("reports/rollout.html")


def main() -> None:
    args = parse(sys.argv[1:])
    root = Path(args.folder or read_section("rollout", RolloutConfig).folder)
    rollouts = read_rollouts(root)
    chosen = [one for one in rollouts if args.name in (None, one.name)]
    if not chosen:
        known = ", ".join(one.name for one in rollouts) or "none yet; `make rollout` begins one"
        raise ValueError(f"{root}/ has no rollout{f' {args.name}' if args.name else ''}; there are: {known}")
    folder = chosen[-1].folder(root)
    write_rollout_page(read_state(folder), read_decisions(folder), args.page, clock().now_ns())
    print(f"rollout: {args.page} shows {chosen[-1].name}", flush=True)


def parse(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m lifecycle.rollout.page", description="Show a rollout on a page.")
    parser.add_argument("name", nargs="?", help="of the rollout (default: the newest)")
    parser.add_argument("--folder", help="of the rollouts (default: rollout.folder)")
    parser.add_argument("--page", type=Path, default=PAGE, help=f"(default: {PAGE})")
    return parser.parse_args(argv)


if __name__ == "__main__":
    run("rollout", main)
