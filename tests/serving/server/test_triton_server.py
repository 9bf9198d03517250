"""`TritonServer`: says why it cannot start, and leaves nothing behind when it stops."""

import hashlib
import os
import socket
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from serving.releases.store import Store
from serving.server.admin import AdminApi
from serving.server.server import Cancelled, TritonServer
from serving.server.stubs import stubs
from tests.serving.metrics import scrape, total
from tests.serving.served_world import (
    REPOSITORY,
    VENV,
    assert_nothing_is_left,
    secret_of,
    server_config,
    serving,
    session_of,
    spoil,
)

pytestmark = pytest.mark.triton


@pytest.fixture
def config(tmp_path, exported):
    """Settings with a released model."""
    config = server_config(tmp_path)
    store = Store(Path(config.store))
    store.activate(store.release(exported / REPOSITORY))
    return config


def start(config, tmp_path: Path, venv: Path = VENV, **more) -> TritonServer:
    """Enter and leave a server; the test expects that it does not come so far."""
    server = TritonServer(config, venv=venv, log_path=tmp_path / "triton.log", **more)
    try:
        with server:
            raise AssertionError("it started")
    finally:
        if server.process is not None:
            assert_nothing_is_left(server)


@pytest.mark.parametrize("name", ["http", "grpc", "metrics"])
def test_a_busy_port_is_named_before_anything_is_started(tmp_path, name):
    config = server_config(tmp_path)
    port = getattr(config, f"{name}_port")
    with socket.create_server(("127.0.0.1", port)):
        words = rf"port {port} \({name}\) is in use on 127.0.0.1; stop what listens there, or set serving.server.{name}_port"
        with pytest.raises(ValueError, match=words):
            start(config, tmp_path)


def test_an_address_that_is_not_ours_is_refused(tmp_path):
    config = server_config(tmp_path, host="192.0.2.1")
    with pytest.raises(ValueError, match=r"192.0.2.1:\d+ \(http\) cannot be bound: Cannot assign requested address"):
        start(config, tmp_path)


def test_an_empty_store_is_no_model_to_serve(tmp_path):
    with pytest.raises(ValueError, match=r"no model to serve: .*models/ holds no release; run `make repro` first"):
        start(server_config(tmp_path), tmp_path)


def test_a_store_that_the_shell_would_take_apart_is_refused(config, tmp_path):
    blank = tmp_path / "my models"
    Path(config.store).rename(blank)
    with pytest.raises(ValueError, match=r"from .*/my models: a shell takes the path apart at ' '; move the project to a path"):
        start(replace(config, store=str(blank)), tmp_path)


def test_a_missing_environment_is_said(config, tmp_path):
    with pytest.raises(ValueError, match=r"holds no Triton server; run `make serve`, which installs it"):
        start(config, tmp_path, venv=tmp_path / "none")


def test_a_changed_file_is_not_served(config, tmp_path):
    path = Path(config.store) / "ctr" / "1" / "features.json"
    path.chmod(0o644)
    path.write_bytes(path.read_bytes() + b" ")
    digest = hashlib.sha256(path.read_bytes()).hexdigest()[:12]
    words = rf"ended while it started: failed to load 'ctr' version 1: .*features.json was changed after the export: .*{digest}"
    with pytest.raises(ValueError, match=words):
        start(config, tmp_path)


@pytest.mark.parametrize(
    ("name", "change", "words"),
    [
        ("stray.so", lambda content: b"", "stray.so is not listed in package.json; export the model again"),
        ("package.json", lambda content: content[:-3], "package.json is not the list of files that the export writes"),
    ],
)
def test_neither_a_file_that_is_not_listed_nor_half_a_list_is_served(config, tmp_path, name, change, words):
    path = Path(config.store) / "ctr" / "1" / name
    content = path.read_bytes() if path.exists() else b""
    path.unlink(missing_ok=True)
    path.write_bytes(change(content))
    with pytest.raises(ValueError, match=f"failed to load 'ctr' version 1: .*{words}"):
        start(config, tmp_path)


def test_a_model_that_does_not_load_ends_the_start_with_its_reason(config, tmp_path):
    spoil(Path(config.store) / "ctr" / "1")
    words = rf"Triton ended while it started: failed to load 'ctr' version 1: .* \(log: {tmp_path}/triton.log\)"
    with pytest.raises(ValueError, match=words) as refused:
        start(config, tmp_path)
    assert len(str(refused.value).splitlines()) == 1


def test_a_start_has_a_deadline(config, tmp_path):
    config = replace(config, ready_timeout_s=0.3)
    began = time.monotonic()
    with pytest.raises(ValueError, match=r"Triton was not ready within 0.3 s \(serving.server.ready_timeout_s\): "):
        start(config, tmp_path)
    assert time.monotonic() - began < 5


def test_a_server_is_not_ready_before_its_metrics_can_be_read(tmp_path, exported, monkeypatch):
    """Triton says that it is ready before it opens that door; here it says so from the start."""
    monkeypatch.setattr(AdminApi, "ready", lambda self: True)
    with serving(tmp_path, exported / REPOSITORY) as server:
        assert total(scrape(server), "nv_inference_count", model="ctr") >= 0


def test_a_start_that_nobody_waits_for_is_given_up(config, tmp_path):
    cancelled = threading.Event()
    cancelled.set()
    with pytest.raises(Cancelled):
        start(config, tmp_path, cancelled=cancelled)


def test_a_server_stops_within_five_seconds_and_leaves_nothing(tmp_path, exported):
    with serving(tmp_path, exported / REPOSITORY, exit_timeout_s=4) as server:
        assert sorted(stubs(server.process.pid).values()) == [
            ("creative_encoder", 1), ("ctr_by_name", 1), ("ctr_careful", 1), ("ctr_careful", 1),
        ]  # fmt: skip
        assert len(session_of(server.process.pid)) == 5
        assert list(Path("/dev/shm").glob(f"adclick-{os.getpid()}-{server.config.http_port}-*"))
        began = time.monotonic()
    assert time.monotonic() - began < 5
    assert secret_of(server) not in server.log_path.read_text()
    server.stop()  # once more does no harm


def test_the_log_of_the_run_before_is_kept(config, tmp_path):
    (tmp_path / "triton.log").write_text("what was said before")
    with pytest.raises(ValueError, match="not ready"):
        start(replace(config, ready_timeout_s=0.1), tmp_path)
    assert (tmp_path / "triton.log.1").read_text() == "what was said before"
    assert "what was said" not in (tmp_path / "triton.log").read_text()
