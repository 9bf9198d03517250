"""Is a port free, and which ports are: asked before a server is started, so that the answer is one sentence."""

import errno
import socket
from contextlib import ExitStack


def refuse_busy_ports(host: str, ports: dict[str, int]) -> None:
    """Raise ValueError for the first port that cannot be bound on `host`."""
    for name, port in ports.items():
        with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, port))
                probe.listen(1)
            except OSError as error:
                if error.errno == errno.EADDRINUSE:
                    raise ValueError(
                        f"port {port} ({name}) is in use on {host}; stop what listens there, or set serving.server.{name}_port"
                    ) from None
                raise ValueError(f"{host}:{port} ({name}) cannot be bound: {error.strerror}") from None


def free_ports(number: int) -> list[int]:
    """Ports of 127.0.0.1 that nobody listens on at this moment."""
    with ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(number)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in probes]
