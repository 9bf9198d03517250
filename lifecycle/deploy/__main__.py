"""`python -m lifecycle.deploy` (`make deploy`): brings the newest export into the running server, if stage `compare` and the
gate let it, or goes back to an earlier version. What it does is a line of releases.jsonl in the store, before it takes effect.
"""

if __name__ == "__main__":  # before the imports below, which take their time
    from contracts.terminal import end_on_ctrl_c

    end_on_ctrl_c()

import argparse
import sys

from contracts.overrides import read_overrides
from lifecycle.deploy.back import go_back
from lifecycle.deploy.made_in import checked_folder
from lifecycle.deploy.newest import bring_in
from lifecycle.deploy.server import running_server
from serving.entry import run
from serving.server.settings import load_server_config


def main() -> None:
    args = parse(sys.argv[1:])
    told = read_overrides(args.set, ("serving.server",)).of("serving.server")
    given = {name: value for name, value in (("host", args.host), ("http_port", args.http_port)) if value is not None}
    with running_server(load_server_config(**{**told, **given})) as server:
        if args.version is None:
            bring_in(server, args.why if args.force else None, args.beside, made_in=checked_folder(args.made_in))
        else:
            go_back(server, args.version, args.why)


def parse(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m lifecycle.deploy", description="Release a model into the running server.")
    parser.add_argument("--version", type=int, help="serve this earlier version of the store again; it needs no evidence")
    parser.add_argument("--beside", action="store_true", help="into the store only, to be tried by `make route`")
    parser.add_argument("--from", dest="made_in", help="the project folder whose newest export it is (default: this one)")
    parser.add_argument("--force", action="store_true", help="release what the evidence is against; needs --why")
    parser.add_argument("--why", default="", help="the reason for --force, or for going back, kept in releases.jsonl")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="a setting that counts instead")
    parser.add_argument("--host", help="where the server runs (default: serving.server.host)")
    parser.add_argument("--http-port", type=int, help="(default: serving.server.http_port)")
    args = parser.parse_args(argv)
    if args.force and not args.why.strip():
        raise ValueError('--force needs a reason: make deploy FORCE=1 WHY="..."')
    return args


if __name__ == "__main__":
    run("deploy", main)
