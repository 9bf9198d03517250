"""Which processes are the server and which are the load generator, for whoever watches them."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import psutil

from serving.server.stubs import stubs

SERVER, CLIENT = "server", "client"


@dataclass
class ProcessGroups:
    """Process ids by group at each call: `server` is tritonserver, `<model> process` its Python processes, `client` the load.

    The server is the one that was started here, by `server_pid`, or the process that listens on `port`. It is found anew
    when it was started again. Where nothing may be seen, the group is there and empty.
    """

    port: int  # of HTTP, gRPC or metrics
    clients: Callable[[], Iterable[int]]
    server_pid: int | None = None
    _found: psutil.Process | None = field(default=None, init=False)

    def __call__(self) -> dict[str, list[int]]:
        server = self._server()
        if server is None:
            return {SERVER: [], CLIENT: list(self.clients())}
        groups: dict[str, list[int]] = {SERVER: [server]}
        for pid, (model, _) in sorted(stubs(server).items()):
            groups.setdefault(f"{model} process", []).append(pid)
        inside = {pid for pids in groups.values() for pid in pids}
        return groups | {CLIENT: [pid for pid in self.clients() if pid not in inside]}

    def _server(self) -> int | None:
        if self._found is None or not self._found.is_running() or self._found.status() == psutil.STATUS_ZOMBIE:
            pid = self.server_pid if self._found is None and self.server_pid is not None else listener(self.port)
            try:
                self._found = None if pid is None else psutil.Process(pid)
            except psutil.Error:
                self._found = None
        return None if self._found is None else self._found.pid


def listener(port: int) -> int | None:
    """The process that listens on the TCP port; None if there is none here, or if it belongs to somebody else."""
    try:
        connections = psutil.net_connections("tcp")
    except psutil.Error:
        return None
    pids = {c.pid for c in connections if c.status == psutil.CONN_LISTEN and c.laddr.port == port and c.pid is not None}
    return min(pids, default=None)  # a parent that passed its socket on is older than who took it


def family(pid: int) -> list[int]:
    """The process and all that it started, directly or not; empty if it is gone."""
    try:
        process = psutil.Process(pid)
        return [pid, *(child.pid for child in process.children(recursive=True))]
    except psutil.Error:
        return []
