"""`python -m serving.server` (`make serve`): runs real Triton in the foreground, on the release that was served last.

It writes the store's route where there is none, has Triton open what the route names, and starts Triton again if it ends by
itself: without the challenger then, since nobody can say whose fault it was.
"""

import argparse
import signal
import sys
import threading
import time
from collections import deque
from contextlib import nullcontext, suppress
from pathlib import Path

from contracts.serving.config import ServerConfig
from serving.journal.folder import kept_journal
from serving.journal.privacy import version_folder
from serving.releases.choice import choose_release, first_route
from serving.releases.store import Store
from serving.server.ports import refuse_busy_ports
from serving.server.server import Cancelled, NotStarted, TritonServer
from serving.server.settings import load_journal_config, load_server_config
from serving.server.watch.challenger import blame_challenger
from serving.server.watch.follower import Follower
from serving.server.watch.takeovers import Takeovers

LOOK_S = 0.2  # between two looks at what is served
MAX_CRASHES, WITHIN_S = 3, 60.0  # so many ends of its own in that time, and Triton is not started again


def main() -> None:
    args = parse(sys.argv[1:])
    config = load_server_config(
        host=args.host, http_port=args.http_port, grpc_port=args.grpc_port, metrics_port=args.metrics_port
    )
    journal = load_journal_config(folder=args.journal)
    refuse_busy_ports(config.host, {"http": config.http_port, "grpc": config.grpc_port, "metrics": config.metrics_port})
    store = Store(Path(config.store))
    advice = choose_release(store, args.exported)
    if advice is not None:
        print(f"serve: {advice}", flush=True)
    first_route(store)
    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())
    print("serve: starting Triton ...", flush=True)
    with suppress(Cancelled), kept_journal(journal, version_folder(store.folder, store.active())) as told:
        serve(config, stopped, told, routed=True)
    print("serve: stopped", flush=True)


def serve(config: ServerConfig, stopped: threading.Event, journal: dict[str, str] | None = None, routed: bool = False) -> None:
    """Run Triton until `stopped` is set. If it ends by itself it is started again; ValueError if it does so too often."""
    crashes: deque[float] = deque(maxlen=MAX_CRASHES)
    log = Path(config.store) / "triton.log"
    while True:
        server = TritonServer(config, log_path=log, cancelled=stopped, journal=journal or {}, routed=routed)
        try:
            ended = run_to_end(server, stopped)
        except NotStarted as error:
            blamed = blame_challenger(Store(Path(config.store)), {"start": str(error)}) if routed else None
            if blamed is None:
                raise
            print(f"serve: {error}; {blamed}; starting it again", file=sys.stderr, flush=True)
            continue
        if ended is None:
            return
        crashes.append(time.monotonic())
        if len(crashes) == MAX_CRASHES and crashes[-1] - crashes[0] < WITHIN_S:
            raise ValueError(f"{ended}, {MAX_CRASHES} times within {WITHIN_S:g} s; log: {log}")
        print(f"serve: {ended}; starting it again (its log is {log}.1)", file=sys.stderr, flush=True)


def run_to_end(server: TritonServer, stopped: threading.Event) -> str | None:
    """Run Triton until `stopped` is set, or it ends by itself: then why. What is served by whom is printed when it changes."""
    store = Store(Path(server.config.store))
    with server:
        print(greeting(server), flush=True)
        takeovers = Takeovers(server.http_url, store, server.version)
        with Follower(store, server.admin) if server.routed else nullcontext() as follower:
            while not stopped.wait(LOOK_S) and server.process.poll() is None:
                if (line := takeovers.news()) is not None:
                    print(line, flush=True)
            if stopped.is_set():
                print("serve: stopping ...", flush=True)
                return None
            code, blamed = server.process.returncode, None
            if follower is not None:
                blamed = blame_challenger(store, {"exit_code": code, "seconds_open": round(follower.open_s(), 3)})
    return f"Triton ended by itself with code {code}" + ("" if blamed is None else f"; {blamed}")


def parse(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m serving.server", description="Serve the released model on Triton.")
    parser.add_argument("--host", help="address to bind (default: serving.server.host)")
    for name in ("http", "grpc", "metrics"):
        parser.add_argument(f"--{name}-port", type=int, help=f"(default: serving.server.{name}_port)")
    parser.add_argument("--journal", metavar="FOLDER", help="keep a journal of every answer there (default: serving.journal)")
    parser.add_argument("--exported", type=Path, help="serve this repository, without evidence (default: what was served before)")
    return parser.parse_args(argv)


def greeting(server: TritonServer) -> str:
    config = server.config
    return (
        f"serve: ready, model ctr version {server.version}; log: {server.log_path}; Ctrl-C stops it\n"
        f"  gRPC     {server.grpc_url}\n"
        f"  HTTP     {server.http_url}/v2/models/ctr/infer\n"
        f"  metrics  {server.metrics_url}\n"
        f"  try      .venv-serving/bin/python -m serving.predict ROWS.csv --url {config.host}:{config.grpc_port}"
    )
