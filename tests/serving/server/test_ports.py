"""Which ports are free and who listens: asked before a server is started and while it starts."""

import socket

import pytest

from serving.server import ports
from serving.server.ports import free_ports, listens


def test_free_ports_are_none_that_the_kernel_gives_to_outgoing_connections():
    with socket.create_server(("127.0.0.1", 0)) as server:
        kernels = int(ports.EPHEMERAL.read_text().split()[0])
        assert server.getsockname()[1] >= kernels
    found = free_ports(50)
    assert len(set(found)) == 50 and all(1024 < port < kernels for port in found)


@pytest.mark.parametrize(("first", "highest"), [("11000\t60999\n", 10_999), ("1024\t65535\n", 65_535)])
def test_where_the_kernel_takes_nearly_all_ports_any_will_do(tmp_path, monkeypatch, first, highest):
    (tmp_path / "range").write_text(first)
    monkeypatch.setattr(ports, "EPHEMERAL", tmp_path / "range")
    assert all(10_000 <= port <= highest for port in free_ports(100))


def test_a_port_in_use_is_told_from_one_that_is_not():
    (port,) = free_ports(1)
    assert not listens("127.0.0.1", port)
    ports.refuse_busy_ports("127.0.0.1", {"http": port})
    with socket.create_server(("127.0.0.1", port)):
        assert listens("127.0.0.1", port)
        with pytest.raises(ValueError, match=rf"port {port} \(http\) is in use on 127.0.0.1; stop what listens there"):
            ports.refuse_busy_ports("127.0.0.1", {"http": port})


def test_an_address_that_cannot_be_reached_is_an_error():
    with pytest.raises(OSError):
        listens("256.0.0.1", 80)


def test_no_port_at_all_is_one_sentence(tmp_path, monkeypatch):
    (port,) = free_ports(1)
    (tmp_path / "range").write_text(f"{port + 1} 60999")
    monkeypatch.setattr(ports, "EPHEMERAL", tmp_path / "range")
    monkeypatch.setattr(ports, "LOWEST_PORT", port)
    monkeypatch.setattr(ports, "LEAST_CHOICE", 1)
    assert free_ports(1) == [port]
    with (
        socket.create_server(("127.0.0.1", port)),
        pytest.raises(ValueError, match="fewer than 1 ports are free on 127.0.0.1 from"),
    ):
        free_ports(1)
