"""The package index that pip is configured for: is it there, and virtual environments filled from it."""

import subprocess
import sys
import tempfile
import tomllib
import venv
from functools import cache
from pathlib import Path

from tests.project.imports import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
DEADLINE_S = 300.0


@cache
def is_there() -> bool:
    """Does pip find what builds this project."""
    with tempfile.TemporaryDirectory() as folder:
        command = ["download", "--quiet", "--no-deps", "--dest", folder, *PROJECT["build-system"]["requires"]]
        return _pip(sys.executable, *command).returncode == 0


def pip(python: str | Path, *arguments: str | Path) -> str:
    """What pip said on stdout. Raises AssertionError with its messages if it failed."""
    done = _pip(python, *arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout


def _pip(python: str | Path, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [python, "-I", "-m", "pip", "--disable-pip-version-check", *arguments]  # -I: of its environment alone
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=DEADLINE_S)


def empty_environment(folder: Path) -> Path:
    """A new virtual environment's Python. The environment holds pip alone."""
    venv.create(folder, with_pip=True, symlinks=True)
    return folder / "bin/python"
