"""What looks on misses nothing: each thing that a command may not do is done here, and seen."""

import sys
from pathlib import Path

import pytest

from tests.privacy.traces import Seen
from tests.privacy.watched import ROOT, Watched, watch

SENDS = "import socket; s = socket.socket({family}, {kind}); s.settimeout(1)\ntry: s.connect({address!r})\nexcept OSError: pass"
STRAYS = {
    "a file": "open(HOME / 'a', 'w')",
    "a folder": "(HOME / 'a').mkdir()",
    "a folder made in another": "import os; os.chdir(HOME); os.mkdir('a')",
    "a link": "(HOME / 'a').symlink_to('/tmp')",
    "a file moved there": "import os, tempfile; os.rename(tempfile.mkstemp()[1], HOME / 'a')",
    "a file of a child": "import subprocess; subprocess.run(['touch', str(HOME / 'a')])",
    "a file of a child in its folder": "import subprocess; subprocess.run(['mkdir', 'a'], cwd=HOME)",
    "a file of a thread": "import threading; t = threading.Thread(target=(HOME / 'a').touch); t.start(); t.join()",
    "a file that is gone": "(HOME / 'a').touch(); (HOME / 'a').unlink()",
}
FAR = {
    "192.0.2.7:443": SENDS.format(family="socket.AF_INET", kind="socket.SOCK_STREAM", address=("192.0.2.7", 443)),
    "2001:db8::7:443": SENDS.format(family="socket.AF_INET6", kind="socket.SOCK_STREAM", address=("2001:db8::7", 443)),
    "192.0.2.8:123": "import socket; s = socket.socket(type=socket.SOCK_DGRAM)\n"
    "try: s.sendto(b'x', ('192.0.2.8', 123))\nexcept OSError: pass",
}


def program(code: str) -> list[str]:
    return [sys.executable, "-I", "-c", f"import os, pathlib; HOME = pathlib.Path(os.environ['HOME'])\n{code}"]


@pytest.mark.parametrize("what", STRAYS)
def test_what_is_written_at_home_is_seen(tmp_path, what):
    watched = watch(program(STRAYS[what]), tmp_path, tmp_path / "own")
    assert (watched.code, watched.strays(tmp_path)) == (0, [str(watched.home / "a")])


@pytest.mark.parametrize("address", FAR)
def test_whoever_is_turned_to_is_seen(tmp_path, address):
    assert watch(program(FAR[address]), tmp_path, tmp_path / "own").seen.far == {address}


def test_a_name_look_up_is_seen(tmp_path):
    asked = "import socket\ntry: socket.getaddrinfo('telemetry.example', 443)\nexcept OSError: pass"
    assert any(address.endswith(":53") for address in watch(program(asked), tmp_path, tmp_path / "own").seen.far)


def test_what_a_project_and_folders_for_temporary_files_hold_is_allowed_and_nothing_else(tmp_path):
    paths = (
        "/srv/project/a",
        "/srv/project",
        "/srv/projects",
        "/etc/a",
        "/dev/shm/a",
        "/proc/self/comm",
        "/var/tmp/dvc/a",
        "/tmp/a",
    )
    seen = Seen(written=frozenset(map(Path, (*paths, str(tmp_path / "home" / "a")))), far=frozenset())
    watched = Watched(code=0, said="", seen=seen, home=tmp_path / "home")
    assert watched.strays(Path("/srv/project")) == sorted(["/srv/projects", "/etc/a", str(tmp_path / "home" / "a")])


def test_loopback_is_near_and_there(tmp_path):
    code = (
        "import socket\nfor host in ('127.0.0.1', '127.0.0.9'):\n"
        " with socket.create_server((host, 0)) as s: socket.create_connection(s.getsockname()).close()"
    )
    watched = watch(program(code), tmp_path, tmp_path / "own")
    assert (watched.code, watched.seen.far) == (0, frozenset()), watched.said


def test_the_environment_of_whoever_tests_is_not_handed_on(tmp_path, monkeypatch):
    monkeypatch.setenv("ORT_DISABLE_TELEMETRY", "1")
    monkeypatch.setenv("MPLCONFIGDIR", "/tmp")
    shown = watch(program("print(sorted(os.environ))"), tmp_path, tmp_path / "own").said
    assert "ORT_DISABLE_TELEMETRY" not in shown and "MPLCONFIGDIR" not in shown and "HOME" in shown


def test_without_the_switch_onnx_runtime_is_caught(tmp_path):
    """The reason for all of this; once it does nothing of the kind any more, `contracts/local_libraries.py` may go."""
    watched = watch([sys.executable, "-c", "import onnxruntime"], tmp_path, tmp_path / "own")
    assert any(path.endswith("onnxruntime.db") for path in watched.strays(ROOT))
