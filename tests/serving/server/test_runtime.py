"""The serving environment: what it lacks is said in one sentence, before anything is started."""

import sys
from pathlib import Path

import pytest

from serving.server.runtime import PRELOADED, Interpreter, ask_interpreter, find_runtime, shared_libpython
from tests.serving.served_world import VENV


def environment(folder: Path, answer: str) -> Path:
    """A folder that looks like the serving environment, with a Python that says `answer` of itself."""
    for path, text in {
        "triton/pytriton/tritonserver/bin/tritonserver": "",
        "bin/python": f"#!/bin/sh\necho '{answer}'\n",
    }.items():
        (folder / path).parent.mkdir(parents=True)
        (folder / path).write_text(text)
    (folder / "bin/python").chmod(0o755)
    return folder


def test_an_environment_without_triton_names_the_command_that_makes_it(tmp_path):
    with pytest.raises(ValueError, match="tritonserver holds no Triton server; run `make serve`, which installs it"):
        find_runtime(tmp_path)


def test_a_python_that_numpy_1_does_not_know_is_refused(tmp_path):
    venv = environment(tmp_path / "venv", '[[3, 13], "libpython3.13.so.1.0", "/usr/lib", null]')
    words = r"serving needs Python 3.11 or 3.12, .*venv has 3.13; remove that folder and run `make serve SERVING_PYTHON="
    with pytest.raises(ValueError, match=words):
        find_runtime(venv)


def test_a_python_without_shared_library_is_refused(tmp_path):
    venv = environment(tmp_path / "venv", f'[[3, 11], "libpython3.11.a", "{tmp_path}", null]')
    words = r"Python 3.11 has no shared libpython, .* \(Debian, Ubuntu: apt-get install libpython3.11; pyenv: PYTHON_CONFIGURE"
    with pytest.raises(ValueError, match=words):
        find_runtime(venv)


def test_a_shared_library_that_was_removed_is_missed(tmp_path):
    python = Interpreter(version="3.12", library="libpython3.12.so.1.0", folders=(str(tmp_path),))
    with pytest.raises(ValueError, match="Python 3.12 has no shared libpython"):
        shared_libpython(python)
    (tmp_path / "libpython3.12.so.1.0").touch()
    assert shared_libpython(python) == tmp_path


def test_an_environment_whose_python_is_gone_is_said(tmp_path):
    venv = environment(tmp_path / "venv", "")
    (venv / "bin/python").unlink()
    with pytest.raises(ValueError, match=r"bin/python does not run \(FileNotFoundError\); remove .*venv and start again"):
        find_runtime(venv)


@pytest.mark.parametrize("name", ["my ads", "ads&co", "it's"])
def test_a_path_that_the_shell_would_take_apart_is_refused(tmp_path, name):
    venv = environment(tmp_path / name / "venv", "")
    words = r"Triton cannot start its Python models from .*venv: a shell takes the path apart at .*; move the project to a path"
    with pytest.raises(ValueError, match=words):
        find_runtime(venv)


def test_an_interpreter_says_its_version():
    assert ask_interpreter(Path(sys.executable)).version == f"{sys.version_info.major}.{sys.version_info.minor}"


@pytest.mark.triton
def test_the_servers_environment_takes_nothing_from_the_shell(monkeypatch):
    for name in ("PYTHONPATH", "LD_PRELOAD", "PYTHONSTARTUP", "ADCLICK_TRITON_SECRET"):
        monkeypatch.setenv(name, "/somewhere")
    monkeypatch.delenv("ORT_DISABLE_TELEMETRY")
    found = find_runtime(VENV)
    assert not {"PYTHONPATH", "PYTHONSTARTUP", "ADCLICK_TRITON_SECRET"} & set(found.environment)
    assert found.environment["ORT_DISABLE_TELEMETRY"] == "1"  # also if the caller has not set it
    assert found.environment["LD_PRELOAD"] == PRELOADED.name
    assert str((VENV / PRELOADED).parent.resolve()) in found.environment["LD_LIBRARY_PATH"].split(":")
    assert found.environment["PATH"].startswith(f"{VENV.resolve()}/bin:")
    assert {path.name for path in (found.backends / "python").iterdir()} >= {
        "libtriton_python.so", "triton_python_backend_stub", "triton_python_backend_utils.py",
    }  # fmt: skip
