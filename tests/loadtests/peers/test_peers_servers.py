"""The peers' files and locks, a server's start and end, and the check of its answers; without any peer installed."""

import json
import re
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import numpy as np
import psutil
import pytest

from bench.servers.compare import is_full, parse, plan_of
from loadtests.peers import wire_formats as wire
from loadtests.peers.contenders import COMPARE, CONTENDERS, MLSERVER, ROOT
from loadtests.peers.journalled import PEERS as PEERS_THAT_REMEMBER
from loadtests.peers.peer_process import PeerProcess, cpu_seconds, process_tree, wait_settled
from loadtests.peers.same_answers import NotReady, ask, refuse_other_answers
from loadtests.peers.wire_formats import Body
from tests.project.imports import all_imports, external_imports

PEERS = ROOT / "loadtests/peers/servers"
FILES = {
    "fastapi/json.py": COMPARE,
    "fastapi/raw.py": COMPARE,
    "fastapi/packed.py": COMPARE,
    "litserve_api.py": COMPARE,
    "bentoml_service.py": COMPARE,
    "mlserver_runtime.py": MLSERVER,
    "fastapi/journalled.py": COMPARE,
    "bentoml_journalled.py": COMPARE,
    "mlserver_journalled.py": MLSERVER,
}
HTTP_DOOR = next(c for c in CONTENDERS if c.name == "fastapi-json-1").doors[0]
GRPC_DOOR = next(c for c in CONTENDERS if c.name == "mlserver").doors[1]


def locked(venv: str) -> set[str]:
    lock = (ROOT / "requirements" / f"{venv.removeprefix('.venv-')}.lock").read_text()
    return {name.lower().replace("-", "_") for name in re.findall(r"^([\w.-]+)==", lock, flags=re.M)}


@pytest.mark.parametrize("name", FILES)
def test_a_peers_file_compiles_and_imports_only_what_its_lock_pins(name: str) -> None:
    path = PEERS / name
    compile(path.read_text(), name, "exec")
    for file in (path, *all_imports(path)):
        foreign = external_imports(file) - set(sys.stdlib_module_names) - {"loadtests", "contracts"}
        assert foreign <= locked(FILES[name]), file


@pytest.mark.parametrize("venv", [COMPARE, MLSERVER])
def test_everybody_runs_the_same_onnx_runtime(venv: str) -> None:
    pinned = [re.search(r"^onnxruntime==(\S+)", (ROOT / "requirements" / f"{name}.lock").read_text(), flags=re.M)[1]
              for name in (venv.removeprefix(".venv-"), "serving", "pipeline")]  # fmt: skip
    assert len(set(pinned)) == 1


def test_every_peer_file_is_somebodys_server(tmp_path) -> None:
    said = ""
    for contender in (c for c in (*CONTENDERS, *PEERS_THAT_REMEMBER) if c.start is not None):
        said += " ".join(contender.start("python", tmp_path, (1, 2, 3))) + " "
        said += "".join(path.read_text() for path in tmp_path.glob("model-settings.json"))
    assert [name for name in FILES if Path(name).stem not in said] == []


def test_mlserver_is_told_its_ports_and_listens_on_loopback_only(tmp_path) -> None:
    next(c for c in CONTENDERS if c.name == "mlserver").start("python", tmp_path, (7001, 7002, 7003))
    settings = json.loads((tmp_path / "settings.json").read_text())
    assert [settings[f"{name}_port"] for name in ("http", "grpc", "metrics")] == [7001, 7002, 7003]
    assert settings["host"] == "127.0.0.1" and settings["parallel_workers"] == 2


def test_names_of_servers_and_doors_are_unique() -> None:
    doors = [door.name for c in CONTENDERS for door in c.doors]
    assert len(doors) == len(set(doors)) and len({c.name for c in CONTENDERS}) == len(CONTENDERS)


def test_only_a_full_run_may_write_the_documents() -> None:
    assert is_full(plan_of(parse([])))
    for options in (["--only", "fastapi"], ["--workloads", "1/1"], ["--seconds", "2"], ["--rounds", "2"]):
        assert not is_full(plan_of(parse(options)))


def test_options_choose_servers_by_the_beginning_of_their_names() -> None:
    plan = plan_of(parse(["--only", "fastapi-raw", "triton", "--workloads", "16/64"]))
    assert [c.name for c in plan.contenders] == ["triton", "fastapi-raw-2", "fastapi-raw-1"]
    assert list(map(str, plan.workloads)) == ["16/64"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--only", "flask"], "no server is called 'flask'"),
        (["--workloads", "2/2"], "'2/2' is none of 1/1"),
        (["--rounds", "0"], "at least 1"),
    ],
)
def test_options_that_mean_nothing_are_refused_with_what_there_is(options: list[str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        plan_of(parse(options))


SLEEPER = (
    "import subprocess, sys, time; subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)']); time.sleep(600)"
)


def peer(tmp_path: Path, program: str, ready) -> PeerProcess:
    return PeerProcess("peer", [sys.executable, "-c", program], {}, tmp_path, ready)


def test_a_server_is_ended_with_all_that_it_started(tmp_path) -> None:
    server = peer(tmp_path, SLEEPER, lambda: len(process_tree(server.pid)) == 2)
    with server:
        tree = process_tree(server.pid)
        assert wait_settled("peer", server.pid) <= 0.5
    _, alive = psutil.wait_procs(tree, timeout=5)
    assert alive == []


def test_a_server_that_ends_at_once_is_an_error_with_its_last_words(tmp_path) -> None:
    with (
        pytest.raises(ValueError, match="peer ended with 3 while it started: no such port"),
        peer(tmp_path, "import sys; print('no such port'); sys.exit(3)", lambda: False),
    ):
        pass


def test_cpu_time_of_a_tree_counts_its_children(tmp_path) -> None:
    busy = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'while True: pass'])"
    server = peer(tmp_path, busy, lambda: len(process_tree(server.pid)) == 2 and cpu_seconds(server.pid) > 0.3)
    with server:
        assert process_tree(server.pid)[0].cpu_times().user < 0.3 < cpu_seconds(server.pid)


@pytest.fixture
def answering():
    """An HTTP server that answers every request with what the test puts into its list: status and content."""
    answers: list[tuple[int, bytes]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            status, content = answers[0]
            self.send_response(status)
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"127.0.0.1:{server.server_port}", answers
        server.shutdown()
        thread.join()


def test_the_same_probabilities_pass_and_others_are_an_error(answering) -> None:
    address, answers = answering
    expected = [np.array([0.25, 0.5], dtype=np.float32)]
    answers[:] = [(200, b'{"probability": [0.25, 0.5000009]}')]
    refuse_other_answers(HTTP_DOOR, address, [Body(content=b"x")], expected)
    for content, message in (
        (b'{"probability": [0.25, 0.50001]}', "differ by up to 1e-05"),
        (b'{"probability": [0.25]}', r"answered 2 rows with \(1,\) probabilities"),
        (b'{"probability": [0.25, NaN]}', "other probabilities"),
    ):
        answers[:] = [(200, content)]
        with pytest.raises(ValueError, match=message):
            refuse_other_answers(HTTP_DOOR, address, [Body(content=b"x")], expected)


def test_a_refusal_is_an_error_and_a_server_that_loads_is_not_ready(answering) -> None:
    address, answers = answering
    answers[:] = [(422, b"field required")]
    with pytest.raises(ValueError, match="answered 422: field required") as refused:
        ask(HTTP_DOOR, address, Body(content=b"x"))
    assert not isinstance(refused.value, NotReady)
    for answer in ((503, b""), (400, b'{"error":"Model ctr is not ready yet."}')):
        answers[:] = [answer]
        with pytest.raises(NotReady):
            ask(HTTP_DOOR, address, Body(content=b"x"))


@pytest.mark.parametrize("door", [HTTP_DOOR, GRPC_DOOR], ids=["http", "grpc"])
def test_nobody_there_is_not_ready(door) -> None:
    with pytest.raises(NotReady):
        ask(door, "127.0.0.1:9", Body(content=b"x"))


@pytest.mark.triton
def test_real_triton_answers_as_the_graph_does_on_both_doors(exported, tmp_path) -> None:
    from loadtests.peers.prepared import prepare
    from loadtests.requests.traffic import read_traffic
    from tests.serving.served_world import REPOSITORY, serving

    prepared = prepare(read_traffic(200, exported), [1], tmp_path, root=exported)
    with serving(tmp_path, exported / REPOSITORY) as server:
        for door in CONTENDERS[0].doors:
            address = server.grpc_url if door.is_grpc else server.http_url.removeprefix("http://")
            refuse_other_answers(door, address, prepared.checks(door), prepared.expected)
            with pytest.raises(ValueError, match="answered"):
                ask(door, address, door.body(prepared._checked[0], "another-declaration"))
    assert wire.probabilities_binary is CONTENDERS[0].doors[0].answer
