"""`python -m serving.server` as `make serve` runs it: in the foreground, in the serving environment."""

import os
import signal
import socket
import subprocess
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest
import urllib3
import yaml

from serving.releases.choice import UNPROMOTED, choose_release
from serving.releases.store import Store
from serving.server import command as serve_command
from tests.serving.served_world import VENV, exported_with, free_ports, server_config, session_of, wait_for
from tests.serving.server.running_command import READY_S, children_of, folder, run
from tests.stages.pipeline_world import CONF

__all__ = ["folder", "run"]  # fixtures
pytestmark = pytest.mark.triton
CTRL_C_S = 5


def ports_of(folder: Path) -> dict[str, int]:
    return yaml.safe_load((folder / "params.yaml").read_text())["serving"]["server"]


def shared_memory(pid: int) -> list[Path]:
    return list(Path("/dev/shm").glob(f"adclick-{pid}-*"))


def test_it_says_how_to_call_it_and_ctrl_c_ends_it_within_five_seconds(run, folder, spec, exported_rows):
    command = run()
    assert command.wait_for_line("serve: ready") == ("serve: ready, model ctr version 1; log: models/triton.log; Ctrl-C stops it")
    triton, ports = command.triton(), ports_of(folder)
    connection = urllib3.HTTPConnectionPool("127.0.0.1", ports["http_port"])  # kept alive, as clients do
    assert connection.request("GET", "/v2/health/ready").status == 200
    with socket.create_connection(("127.0.0.1", ports["grpc_port"])):
        began = time.monotonic()
        command.process.send_signal(signal.SIGINT)
        lines = command.end()
        took_s = time.monotonic() - began
    connection.close()
    assert command.process.returncode == 0
    assert took_s < CTRL_C_S
    assert lines == [
        f"serve: {UNPROMOTED}",
        "serve: starting Triton ...",
        "serve: ready, model ctr version 1; log: models/triton.log; Ctrl-C stops it",
        f"  gRPC     127.0.0.1:{ports['grpc_port']}",
        f"  HTTP     http://127.0.0.1:{ports['http_port']}/v2/models/ctr/infer",
        f"  metrics  http://127.0.0.1:{ports['metrics_port']}/metrics",
        f"  try      .venv-serving/bin/python -m serving.predict ROWS.csv --url 127.0.0.1:{ports['grpc_port']}",
        "serve: stopping ...",
        "serve: stopped",
    ]
    assert not session_of(triton) and not shared_memory(command.process.pid)
    secret = (folder / ".secrets/triton-admin").read_text().strip()
    assert len(secret) > 40 and secret not in (folder / "models/triton.log").read_text()
    assert (folder / ".secrets/triton-admin").stat().st_mode & 0o777 == 0o600


def test_it_says_when_another_version_takes_over_and_nothing_when_one_is_refused(run, folder, exported, tmp_path_factory):
    command = run()
    assert "version 1;" in command.wait_for_line("serve: ready")
    arguments = [VENV / "bin/python", "-m", "lifecycle.deploy"]
    own = {"cwd": folder, "env": os.environ | {"PYTHONPATH": str(CONF.parent)}, "capture_output": True, "text": True}
    second = exported_with(exported, tmp_path_factory.mktemp("second") / "repository", max_batch_size=512)
    assert Store(folder / "models").release(second) == 2
    subprocess.run([*arguments, "--version", "2"], check=True, **own)
    assert command.wait_for_line("serve: version") == "serve: version 2 is being served now; before it was 1"
    refused = subprocess.run([*arguments, "--version", "9"], **own)
    assert refused.returncode == 1 and "has no version 9" in refused.stderr
    subprocess.run([*arguments, "--version", "1"], check=True, **own)
    assert command.wait_for_line("serve: ") == "serve: version 1 is being served now; before it was 2"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_can_be_stopped_while_it_starts(run, number):
    command = run()
    command.wait_for_line("serve: starting Triton")
    time.sleep(0.3)
    began = time.monotonic()
    command.process.send_signal(number)
    assert command.end()[-1] == "serve: stopped"
    assert time.monotonic() - began < CTRL_C_S
    assert command.process.returncode == 0
    assert not shared_memory(command.process.pid)


def test_a_server_that_dies_is_started_again_and_ends_with_the_command(run, folder):
    command = run()
    command.wait_for_line("serve: ready")
    first = command.triton()
    os.kill(first, signal.SIGKILL)
    said = "serve: Triton ended by itself with code -9; starting it again (its log is models/triton.log.1)"
    assert command.wait_for_line("serve: Triton ended") == said
    command.wait_for_line("serve: ready")
    second = command.triton()
    assert not session_of(first) and second != first
    command.process.kill()  # the command itself, with no chance to tidy up
    command.process.wait()
    wait_for(lambda: not session_of(second), 10, "the server ends with its parent")
    wait_for(lambda: not shared_memory(command.process.pid), 2, "the shared memory is removed")


def test_a_server_that_dies_again_and_again_is_given_up(folder, monkeypatch, capfd):
    monkeypatch.chdir(folder)
    monkeypatch.setattr(serve_command, "MAX_CRASHES", 1)
    config = replace(server_config(folder), store="models")
    choose_release(Store(Path("models")))
    stopped = threading.Event()

    def kill_when_ready() -> None:
        wait_for(lambda: "serve: ready" in capfd.readouterr().out, READY_S, "it is ready")
        ours = f"--model-repository={folder}/models".encode()  # this process has other servers as well
        found = [pid for pid in children_of(os.getpid()) if ours in Path(f"/proc/{pid}/cmdline").read_bytes()]
        os.kill(found[0], signal.SIGKILL)

    killer, at_the_latest = threading.Thread(target=kill_when_ready), threading.Timer(READY_S, stopped.set)
    killer.start(), at_the_latest.start()
    with pytest.raises(ValueError, match=r"Triton ended by itself with code -9, 1 times within 60 s; log: models/triton.log"):
        serve_command.serve(config, stopped)
    killer.join(), at_the_latest.cancel()


@pytest.mark.parametrize(
    ("prepare", "words"),
    [
        (lambda f: (f / "params.yaml").unlink(), "params.yaml is missing; run `make repro` in the project's folder first"),
        (lambda f: (f / "params.yaml").write_text("seed: 1"), "section 'serving.server' is missing in params.yaml; run `make"),
        (lambda f: (f / "artifacts").unlink(), "no model to serve: models/ holds no release; run `make repro` first"),
        (lambda f: (f / ".venv-serving").unlink(), "holds no Triton server; run `make serve`, which installs it"),
    ],
)
def test_what_is_missing_is_one_sentence(run, folder, prepare, words):
    prepare(folder)
    command = run()
    last = command.end()[-1]
    assert command.process.returncode == 1
    assert last.startswith("serve: error: ") and words in last
    assert not any("Traceback" in line for line in command.lines)


def test_a_busy_port_is_one_sentence_and_another_can_be_given(run, folder):
    (port,) = free_ports(1)
    with socket.create_server(("127.0.0.1", port)):
        command = run("--grpc-port", str(port))
        assert command.end() == [
            f"serve: error: port {port} (grpc) is in use on 127.0.0.1; stop what listens there, or set serving.server.grpc_port"
        ]
    assert command.process.returncode == 1
    assert run("--http-port", "99999").end() == [
        "serve: error: serving.server.http_port: got 99999; input should be less than or equal to 65535"
    ]
