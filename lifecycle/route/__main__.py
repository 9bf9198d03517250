"""`python -m lifecycle.route` (`make route`): shows who answers, or changes it: `make route SET="canary 13 5"`.

Writes the store's route, behind a line of releases.jsonl; servers follow it within a second (docs/routing.md).
"""

if __name__ == "__main__":  # before the imports below, which take their time
    from contracts.terminal import end_on_ctrl_c

    end_on_ctrl_c()

import argparse
import sys
from contextlib import nullcontext
from pathlib import Path

from lifecycle.deploy.lock import alone
from lifecycle.route.change import set_route
from lifecycle.route.show import route_lines
from lifecycle.route.words import change_of, seconds_of
from serving.entry import run
from serving.releases.store import Store
from serving.server.settings import load_routing_config, load_server_config

URGENT = ("off", "renew")  # they wait for no deployment, which notices them


def main() -> None:
    args = parse(sys.argv[1:])
    store = Store(Path(args.store or load_server_config().store))
    if args.words:
        config, change = load_routing_config(), change_of(args.words)
        valid_s = config.valid_s if args.valid is None else seconds_of(args.valid)
        with nullcontext() if change.verb in URGENT else alone(store.folder):
            set_route(store, change, config, valid_s, args.why)
    for line in route_lines(store):
        print(f"route: {line}", flush=True)


def parse(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m lifecycle.route", description="Show or change who answers.")
    parser.add_argument("words", nargs="*", help='such as "canary 13 5"; none: show the route in force')
    parser.add_argument("--for", dest="valid", metavar="TIME", help="until then, such as 1h (default: serving.routing.valid_s)")
    parser.add_argument("--why", default="", help="the reason, kept in releases.jsonl")
    parser.add_argument("--store", type=Path, help="folder of the releases (default: serving.server.store)")
    args = parser.parse_args(argv)
    args.words = [word for words in args.words for word in words.split()]
    return args


if __name__ == "__main__":
    run("route", main)
