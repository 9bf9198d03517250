import os
import socket
import subprocess
import sys

import pytest

from loadtests.observation.processes import ProcessGroups, family, listener
from serving.server.ports import free_ports
from serving.server.stubs import stubs
from tests.serving.served_world import REPOSITORY, serving

WAIT = "import sys; print('up', flush=True); sys.stdin.read()"


@pytest.fixture
def child():
    process = subprocess.Popen([sys.executable, "-c", WAIT], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    process.stdout.readline()
    yield process
    process.kill()
    process.communicate()


def test_a_listener_is_found_by_its_port():
    with socket.create_server(("127.0.0.1", 0)) as listening:
        assert listener(listening.getsockname()[1]) == os.getpid()


def test_a_port_that_nobody_listens_on_has_no_listener():
    assert listener(free_ports(1)[0]) is None


def test_a_server_that_is_not_found_is_an_empty_group():
    groups = ProcessGroups(port=free_ports(1)[0], clients=lambda: [os.getpid()])
    assert groups() == {"server": [], "client": [os.getpid()]}


def test_a_family_is_a_process_with_its_children(child):
    assert {os.getpid(), child.pid} <= {*family(os.getpid())}
    assert family(child.pid) == [child.pid]


def test_a_process_that_is_gone_has_no_family(child):
    child.kill()
    child.wait()
    assert family(child.pid) == []


def test_a_server_that_ended_is_looked_for_at_its_port(child):
    with socket.create_server(("127.0.0.1", 0)) as listening:
        groups = ProcessGroups(port=listening.getsockname()[1], clients=list, server_pid=child.pid)
        assert groups()["server"] == [child.pid]
        child.kill()
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)  # it stays a zombie, which is no server either
        assert groups()["server"] == [os.getpid()]


@pytest.mark.triton
def test_triton_is_found_with_the_processes_of_its_models_and_they_are_not_the_client(exported, tmp_path):
    with serving(tmp_path, exported / REPOSITORY) as server:
        groups = ProcessGroups(port=server.config.http_port, clients=lambda: family(os.getpid()))()
        expected = stubs(server.process.pid)
    assert groups["server"] == [server.process.pid]
    assert groups["ctr_careful process"] == sorted(pid for pid, (model, _) in expected.items() if model == "ctr_careful")
    assert {name for name in groups if name.endswith(" process")} == {f"{model} process" for model, _ in expected.values()}
    assert os.getpid() in groups["client"] and not {*groups["client"]} & {server.process.pid, *expected}
