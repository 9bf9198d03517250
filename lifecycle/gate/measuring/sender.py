"""Sends prepared requests to a server over plain HTTP/1.1, as fast as it answers, and times each.

A request costs it some tens of microseconds, and it can change from one server to another after every few requests, which a
program that is started for each run cannot: what disturbs the machine then hits both.
"""

import selectors
import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from loadtests.requests.plain_http import HEAD_END, JSON_LENGTH, LENGTH, header_number, http_request
from loadtests.requests.prepared_request import PreparedRequest
from loadtests.verdicts.answers import Judge, Reply

TIMEOUT_S = 10.0


class NotAnswered(ValueError):
    """A request was not answered, or not rightly."""


@dataclass(frozen=True, kw_only=True)
class Sent:
    """What a number of requests took."""

    wall_s: float
    latencies_s: np.ndarray  # float64, in order of the answers


@dataclass(eq=False)
class Sender:
    """`clients` connections to `host`:`port`, each of which waits for its answer before it asks again.

    `name` is what messages call the model. Raises NotAnswered on entry if the server is gone.
    """

    name: str
    host: str
    port: int
    clients: int
    _sockets: list[socket.socket] = field(default_factory=list, init=False)

    def __enter__(self) -> "Sender":
        for _ in range(self.clients):
            connection = socket.create_connection((self.host, self.port), timeout=TIMEOUT_S)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._sockets.append(connection)
        return self

    def __exit__(self, *_: object) -> None:
        for connection in self._sockets:
            connection.close()

    def send(self, requests: Sequence[PreparedRequest], judge: Judge) -> Sent:
        """Send all of them once. Raises NotAnswered for the first that is not answered, or not rightly."""
        try:
            sent, replies = self._exchange([http_request(self.host, self.port, one.body, one.header_length) for one in requests])
        except OSError as error:
            raise NotAnswered(f"the {self.name} did not answer: {error.strerror or error}") from None
        for request, reply in zip(requests, replies, strict=True):
            verdict = judge.verdict(request, reply)
            if verdict.outcome != "ok":
                raise NotAnswered(f"the {self.name}, {verdict.reason}")
        return sent

    def _exchange(self, contents: Sequence[bytes]) -> tuple[Sent, list[Reply]]:
        """What it took, and the answers in the order of the contents."""
        replies = [Reply("")] * len(contents)
        latencies: list[float] = []
        with selectors.DefaultSelector() as selector:
            started = time.perf_counter()
            following = 0
            for connection in self._sockets[: len(contents)]:
                connection.sendall(contents[following])
                selector.register(connection, selectors.EVENT_READ, (following, time.perf_counter()))
                following += 1
            while len(latencies) < len(contents):
                ready = selector.select(TIMEOUT_S)
                if not ready:
                    raise TimeoutError(f"nothing came within {TIMEOUT_S:.0f} s")
                for key, _ in ready:
                    place, sent_s = key.data
                    replies[place] = _receive(self._socket(key.fileobj))
                    latencies.append(time.perf_counter() - sent_s)
                    if following < len(contents):
                        sent_s = time.perf_counter()
                        self._socket(key.fileobj).sendall(contents[following])
                        selector.modify(key.fileobj, selectors.EVENT_READ, (following, sent_s))
                        following += 1
            wall_s = time.perf_counter() - started
        return Sent(wall_s=wall_s, latencies_s=np.array(latencies)), replies

    def _socket(self, found: object) -> socket.socket:
        assert isinstance(found, socket.socket)
        return found


def _receive(connection: socket.socket) -> Reply:
    """One whole answer. Raises OSError if the connection ends before."""
    received = bytearray()
    while (end := received.find(HEAD_END)) < 0:
        _more(connection, received)
    head = bytes(received[:end]).lower()
    start = end + len(HEAD_END)
    length = header_number(head, LENGTH)
    while len(received) < start + length:
        _more(connection, received)
    status, content = head[9:12].decode(), bytes(received[start : start + length])
    if status == "200":
        return Reply("OK", content, header_number(head, JSON_LENGTH))
    return Reply(status, words=content.decode("utf-8", "replace"))


def _more(connection: socket.socket, received: bytearray) -> None:
    part = connection.recv(1 << 18)
    if not part:
        raise ConnectionError("the server has closed the connection")
    received += part
