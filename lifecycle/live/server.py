"""The server that is played against: one of our own with a journal below `live/`, or one that runs with the same clock."""

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

import polars as pl

from contracts.clock import CLOCK, Clock, clock
from lifecycle.live.ledger import answered_ms
from lifecycle.live.months import instant
from serving.journal.folder import kept_journal
from serving.journal.privacy import version_folder
from serving.releases.choice import choose_release, first_route
from serving.releases.store import Store
from serving.server.ports import free_ports
from serving.server.server import TritonServer
from serving.server.settings import load_journal_config, load_server_config
from serving.server.watch.follower import Follower

SEGMENTS_A_DAY = 2
SHORTEST_S = 0.5  # a segment
APART_S = 10  # of the machine, that two clocks may be apart
LATE_S = 300  # of the machine, that a clock may have passed the next page view: they are asked as fast as they can be


@contextmanager
def own_server(folder: Path, rate: int) -> Iterator[tuple[str, int]]:
    """Where it takes gRPC, and the port of its HTTP: the released model that is served, on free ports, with a journal in
    `folder`/journal.

    Its segments are closed some times a day of the clock, so that there is Parquet of each day. Raises ValueError.
    """
    http_port, grpc_port, metrics_port = free_ports(3)
    config = load_server_config(host="127.0.0.1", http_port=http_port, grpc_port=grpc_port, metrics_port=metrics_port)
    journal = load_journal_config(folder=str(folder / "journal"))
    assert journal is not None  # it has a folder
    journal = replace(journal, segment_s=max(SHORTEST_S, min(journal.segment_s, 86_400 / rate / SEGMENTS_A_DAY)))
    store = Store(Path(config.store))
    choose_release(store)
    first_route(store)
    with ExitStack() as stack:
        told = stack.enter_context(kept_journal(journal, version_folder(store.folder, store.active())))
        server = TritonServer(config, log_path=folder / "triton.log", journal=told, routed=True)
        stack.enter_context(server)
        stack.enter_context(Follower(store, server.admin))
        print(f"live: ready, model ctr version {server.version} at {server.grpc_url}, metrics {server.metrics_url}", flush=True)
        yield server.grpc_url, http_port


def begin_clock(start_ms: int, after_s: float, rate: int) -> Clock:
    """A clock for this process and those that it starts: it will be `start_ms` in `after_s` seconds of the machine."""
    begun = Clock(start_ns=start_ms * 1_000_000, from_ns=Clock().now_ns() + round(after_s * 1e9), rate=rate)
    os.environ[CLOCK] = begun.variable()
    return begun


def refuse_late_clock(next_ms: int) -> None:
    """Raise ValueError if we were given no clock, or it has passed the next page view long ago."""
    if CLOCK not in os.environ:
        raise ValueError(
            f'a server that runs needs the clock of this play: export {CLOCK}="$(make -s live FAULT=none ARGS=--clock)", then '
            'start it with `make serve ARGS="--journal journal"`, and this beside it'
        )
    late_s = (clock().now_ns() / 1e6 - next_ms) / 1000 / clock().rate
    if late_s > LATE_S:
        raise ValueError(
            f"the clock has passed the next page view {late_s:.0f} s ago; start the server and this with a new one: "
            "make -s live FAULT=none ARGS=--clock"
        )


def refuse_other_clock(prediction_id: str) -> None:
    """Raise ValueError if the server that gave this answer just now has another clock."""
    said_ms = int(answered_ms(pl.Series([prediction_id]))[0])
    apart_s = abs(said_ms - clock().now_ns() / 1e6) / 1000 / clock().rate
    if apart_s > APART_S:
        raise ValueError(
            f"the server has another clock, it is {instant(said_ms):%Y-%m-%d %H:%M} there, {clock().now():%Y-%m-%d %H:%M} here; "
            f"start both with the same {CLOCK}"
        )
