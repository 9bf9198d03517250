"""The package index that pip is configured for: is it there; and virtual environments, filled from it or from this one."""

import subprocess
import sys
import sysconfig
import tempfile
import tomllib
import venv
from collections.abc import Iterable
from functools import cache
from importlib.metadata import distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

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
    """A new virtual environment's Python. The environment holds nothing, not even pip."""
    venv.create(folder, symlinks=True)
    return folder / "bin/python"


def packages_of(python: Path) -> Path:
    """The folder of the packages of an environment that `empty_environment` made."""
    return Path(sysconfig.get_path("purelib", "venv", {"base": str(python.parents[1])}))


def link_packages(requirements: Iterable[Requirement], target: Path) -> None:
    """Give `target` what this environment has of the required distributions and of those that they require, and no more.

    Raises PackageNotFoundError if one is not here.
    """
    waiting, seen = [*requirements], set()
    while waiting:
        requirement = waiting.pop()
        for extra in ("", *requirement.extras):
            if (asked := (canonicalize_name(requirement.name), extra)) in seen:
                continue
            seen.add(asked)
            found = distribution(requirement.name)
            needed = map(Requirement, found.requires or [])
            waiting += [one for one in needed if one.marker is None or one.marker.evaluate({"extra": extra})]
            for file in found.files if not extra else ():
                if ".." not in file.parts and "__pycache__" not in file.parts:
                    (target / file).parent.mkdir(parents=True, exist_ok=True)
                    (target / file).symlink_to(file.locate())
