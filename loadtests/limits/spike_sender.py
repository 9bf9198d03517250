"""Requests that arrive by a schedule over plain HTTP/1.1, and go on arriving while the server refuses them.

perf_analyzer cannot do that: it ends at the first refusal. Bodies are made before; while it runs, the sender only writes
them and notes what comes back. A request that falls due while all connections are busy is `unsent`; it is not sent late.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

import numpy as np

from loadtests.requests.plain_http import HEAD_END, JSON_LENGTH, LENGTH, header_number, http_request
from loadtests.requests.prepared_request import KINDS
from loadtests.verdicts.samples import OUTCOMES, SAMPLE

TICK_S = 0.0005  # between two looks at the schedule
LOOK_S = 0.05  # between two looks for requests that have waited too long
OVERLOADED = {429, 503}
Check = Callable[[int, bytes, int], bool]  # number of the body, answer, length of its header: is it right


@dataclass(eq=False)
class Connection(asyncio.Protocol):
    """One connection, on which one request is under way at most."""

    sender: "SpikeSender"
    request: int | None = None  # place in the schedule
    _buffer: bytearray = field(default_factory=bytearray)

    def connection_made(self, transport: asyncio.Transport) -> None:
        self.transport = transport
        self.sender.idle.append(self)

    def send(self, request: int, content: bytes) -> None:
        self.request = request
        self._buffer.clear()
        self.transport.write(content)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        end = self._buffer.find(HEAD_END)
        if end < 0:
            return
        head = bytes(self._buffer[:end]).lower()
        length = header_number(head, LENGTH)
        if len(self._buffer) < end + len(HEAD_END) + length:
            return
        request, self.request = self.request, None
        if request is not None:
            body = bytes(self._buffer[end + len(HEAD_END) : end + len(HEAD_END) + length])
            self.sender.answered(request, int(head[9:12]), body, header_number(head, JSON_LENGTH))
            self.sender.idle.append(self)

    def connection_lost(self, error: Exception | None) -> None:
        with suppress(ValueError):
            self.sender.idle.remove(self)
        self.sender.lost(self)


@dataclass(kw_only=True, eq=False)
class SpikeSender:
    """Sends `bodies` in turn to `host`:`port`, each when it is due."""

    host: str
    port: int
    bodies: Sequence[tuple[bytes, int]]  # and the length of the JSON before the tensors
    rows: int  # of each
    connections: int
    timeout_s: float
    idle: deque[Connection] = field(default_factory=deque, init=False)

    def run(self, due_s: np.ndarray, check: Check) -> np.ndarray:
        """Send a request at each of the moments (seconds from now, ascending). Returns SAMPLE in their order.

        Raises ValueError if the connections cannot be made. Right answers are told from wrong ones after the last of them.
        """
        self._contents = [http_request(self.host, self.port, *body) for body in self.bodies]
        self._answers: list[tuple[int, bytes, int]] = []
        self._samples = np.zeros(len(due_s), dtype=SAMPLE)
        self._samples["rows"], self._samples["kind"] = self.rows, KINDS.index("http_binary")
        self._samples["outcome"] = OUTCOMES.index("unknown")
        self._samples["sent_s"] = self._samples["done_s"] = np.nan
        asyncio.run(self._run(due_s))
        for request, body, header_length in self._answers:
            right = check(request % len(self.bodies), body, header_length)
            self._samples[request]["outcome"] = OUTCOMES.index("ok" if right else "wrong")
        return self._samples

    @property
    def answered_requests(self) -> list[int]:
        """Their numbers, in the order in which `check` was asked about their answers."""
        return [request for request, _, _ in self._answers]

    def answered(self, request: int, status: int, body: bytes, header_length: int) -> None:
        self._open.pop(request, None)
        outcome = "overloaded" if status in OVERLOADED else "failed"
        self._samples["done_s"][request] = time.monotonic()
        self._samples["outcome"][request] = OUTCOMES.index(outcome)
        if status == 200:
            self._answers.append((request, body, header_length))

    def lost(self, connection: Connection) -> None:
        """A connection ended: what was under way on it has failed, and another one takes its place."""
        self._fail(connection)
        if not self._over:
            task = asyncio.ensure_future(self._connect())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _run(self, due_s: np.ndarray) -> None:
        self._over, self._tasks = False, set()
        self._open: dict[int, tuple[Connection, float]] = {}  # under way: connection and when it was sent
        await asyncio.gather(*(self._connect() for _ in range(self.connections)))
        if len(self.idle) < self.connections:
            raise ValueError(f"only {len(self.idle)} of {self.connections} connections to {self.host}:{self.port} could be made")
        started = time.monotonic()
        self._samples["intended_s"] = due = started + due_s
        looked = started
        place = 0
        while place < len(due):
            now = time.monotonic()
            while place < len(due) and due[place] <= now:
                self._send(place)
                place += 1
            if now - looked > LOOK_S:
                looked = now
                self._give_up(now)
            await asyncio.sleep(0 if place < len(due) and due[place] - now < TICK_S else TICK_S)
        while self._open:
            self._give_up(time.monotonic())
            await asyncio.sleep(LOOK_S)
        self._over = True
        for connection in [*self.idle]:
            connection.transport.abort()
        await asyncio.sleep(0)

    def _send(self, request: int) -> None:
        if not self.idle:
            self._samples["outcome"][request] = OUTCOMES.index("unsent")
            return
        connection, now = self.idle.popleft(), time.monotonic()
        self._samples["sent_s"][request] = now
        self._open[request] = (connection, now)
        connection.send(request, self._contents[request % len(self._contents)])

    def _give_up(self, now: float) -> None:
        """End the connections of requests that have waited for too long."""
        for connection, sent in [*self._open.values()]:
            if now - sent <= self.timeout_s:
                return  # the oldest come first
            connection.transport.abort()
            self._fail(connection)  # now; the loop tells of the end of the connection a moment later

    def _fail(self, connection: Connection) -> None:
        """Count the request that is under way on it, if any, as failed."""
        request, connection.request = connection.request, None
        if request is not None:
            del self._open[request]
            self._samples["done_s"][request] = time.monotonic()
            self._samples["outcome"][request] = OUTCOMES.index("failed")

    async def _connect(self) -> None:
        with suppress(OSError):
            await asyncio.get_running_loop().create_connection(lambda: Connection(self), self.host, self.port)
