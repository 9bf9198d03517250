"""Ports of this machine: is one free, which are, does anybody listen on one."""

import errno
import random
import socket
from contextlib import suppress
from pathlib import Path

EPHEMERAL = Path("/proc/sys/net/ipv4/ip_local_port_range")  # the kernel takes outgoing connections' ports from there
LOWEST_PORT, LEAST_CHOICE = 10_000, 1_000
ANSWER_S = 10.0


def refuse_busy_ports(host: str, ports: dict[str, int]) -> None:
    """Raise ValueError for the first port that cannot be bound on `host`."""
    for name, port in ports.items():
        try:
            _bind(host, port)
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise ValueError(
                    f"port {port} ({name}) is in use on {host}; stop what listens there, or set serving.server.{name}_port"
                ) from None
            raise ValueError(f"{host}:{port} ({name}) cannot be bound: {error.strerror}") from None


def free_ports(number: int) -> list[int]:
    """Ports of 127.0.0.1 that nobody listens on at this moment, and that no outgoing connection is given.

    A port that the kernel picks may be another program's outgoing connection a moment later, before a server binds it.
    """
    first = int(EPHEMERAL.read_text().split()[0]) if EPHEMERAL.exists() else 32_768
    last = first if first >= LOWEST_PORT + LEAST_CHOICE else 65_536
    found: list[int] = []
    for port in random.SystemRandom().sample(range(LOWEST_PORT, last), last - LOWEST_PORT):
        with suppress(OSError):
            _bind("127.0.0.1", port)
            found.append(port)
        if len(found) == number:
            return found
    raise ValueError(f"fewer than {number} ports are free on 127.0.0.1 from {LOWEST_PORT} to {last - 1}")


def listens(host: str, port: int) -> bool:
    """Does anything take connections there. Raises OSError if the address cannot be reached."""
    try:
        with socket.create_connection((host, port), timeout=ANSWER_S):
            return True
    except ConnectionRefusedError:
        return False


def _bind(host: str, port: int) -> None:
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind((host, port))
        probe.listen(1)
