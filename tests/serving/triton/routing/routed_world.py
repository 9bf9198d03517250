"""Triton with two releases whose `ctr` is the Python model, a route that tests write, and what the journal says of it."""

import json
import os
import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np

from contracts.serving.route import Route, text_of
from serving.journal.folder import kept_journal
from serving.releases.configs import Opened
from serving.releases.store import Store
from serving.server.server import TritonServer
from serving.triton.environment import ROUTE
from tests.serving.journal.journalled import journal_config
from tests.serving.metrics import scrape, total
from tests.serving.served_world import VENV, assert_nothing_is_left, server_config, wait_for

NO_BUCKET = 0xFFFFFFFF


@dataclass(frozen=True, kw_only=True)
class Routing:
    server: TritonServer
    store: Store
    journal: Path

    @property
    def path(self) -> Path:
        return self.store.folder / "route"

    def write(self, route: Route | str) -> None:
        """Replace the file, as whoever writes routes does."""
        made = self.path.with_name("route.new")
        made.write_text(route if isinstance(route, str) else text_of(route))
        os.rename(made, self.path)

    def put_in_force(self, route: Route, processes: int = 1, is_on: bool = True) -> None:
        """Write it, and wait until all processes of `ctr` have it. Metrics lag behind."""
        self.write(route)
        info = {"route": f"{route.digest:016x}"}
        wait_for(lambda: self.metric("adclick_route_info", **info) == 1, 10, "the route is in force")
        wait_for(lambda: self.metric("adclick_challenger_open") == is_on, 10, "the challenger is on, or off")
        time.sleep(0.3 if processes == 1 else 1.0)

    def metric(self, name: str, **labels: str) -> float:
        return total(scrape(self.server), name, **labels)

    def fuse(self, route: Route) -> dict[str, Any] | None:
        path = self.store.folder / "fuses" / f"{route.digest:016x}.json"
        return json.loads(path.read_text()) if path.is_file() else None

    def log(self) -> str:
        return self.server.log_path.read_text(errors="replace")

    def entries(self) -> list[dict[str, Any]]:
        """Each request in the journal's records, with its outputs."""
        return [entry for path in self._segments() for kind, body, about in frames(path) if kind == 2 for entry in entries(body)]

    def events(self, name: str | None = None) -> list[dict[str, Any]]:
        found = [json.loads(body) for path in self._segments() for kind, body, _ in frames(path) if kind == 6]
        return [event for event in found if name in (None, event["event"])]

    def _segments(self) -> list[Path]:
        return sorted((self.journal / "segments").glob("*.segment"))


@contextmanager
def routing(
    folder: Path, first: Path, second: Path, route: Route | None = None, watch: bool = False, **changes: Any
) -> Iterator[Routing]:
    """Triton on release 1 of two repositories; of the models that `ctr` calls both versions are loaded."""
    config = server_config(folder, **changes)
    store = Store(Path(config.store))
    for number, repository in enumerate((first, second), 1):
        assert store.release(repository) == number
    store.configure(Opened(champion=1, challenger=2))
    told = {ROUTE: str((store.folder / "route").resolve())}
    if route is not None:
        (store.folder / "route").write_text(text_of(route))
    with (
        kept_journal(journal_config(folder / "journal")) as journal,
        TritonServer(config, venv=VENV, log_path=folder / "triton.log", watch=watch, journal=journal | told) as server,
    ):
        yield Routing(server=server, store=store, journal=folder / "journal")
    assert_nothing_is_left(server)


def frames(path: Path) -> Iterator[tuple[int, bytes, None]]:
    """Kind and payload of each whole frame of a segment that may still be written."""
    content, at = path.read_bytes(), 16
    while at + 16 <= len(content):
        magic, size, kind, _ = struct.unpack_from("<4sIII", content, at)
        assert magic == b"\xf7JR\n"
        if at + 16 + size > len(content):
            return
        yield kind, content[at + 16 : at + 16 + size], None
        at += 16 + size


def entries(body: bytes) -> Iterator[dict[str, Any]]:
    """The requests of a record, read by the words of the contract."""
    count, _, rows, requests, _, _, route = struct.unpack_from("<HHIIIqQ", body)
    at, sections = 32, {}
    start = at + 6 * count
    for place in range(count):
        tag, size = struct.unpack_from("<HI", body, at + 6 * place)
        sections[tag], start = body[start : start + size], start + size
    outputs = np.frombuffer(sections[10], dtype="<f4")
    assert len(outputs) == rows
    row = key_at = 0
    lengths = _numbers(sections.get(18, bytes(requests)))
    for number in range(requests):
        digits, num_rows, release, status, arm, _ = struct.unpack_from("<16sIIBBH", sections[1], 28 * number)
        bucket, flags = struct.unpack_from("<IB", sections[17], 8 * number) if 17 in sections else (NO_BUCKET, 0)
        length = lengths[number]
        key = sections[19][key_at : key_at + length - 1].decode() if length else None
        key_at += max(length - 1, 0)
        yield {
            "id": str(UUID(bytes=digits)), "release": release, "status": status, "arm": arm, "route": route,
            "bucket": None if bucket == NO_BUCKET else bucket,
            "flags": flags, "key": key, "outputs": outputs[row : row + num_rows].tolist(),
        }  # fmt: skip
        row += num_rows


def _numbers(content: bytes) -> list[int]:
    """Seven bits a byte, the lowest first."""
    found, value, shift = [], 0, 0
    for byte in content:
        value |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            found.append(value)
            value = shift = 0
    return found
