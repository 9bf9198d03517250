"""Every file that is installed has to have a hash that its lock names; torch alone has none."""

import re
from pathlib import Path

import pytest

from tests.project.imports import ROOT
from tests.project.project_copy import copy_project, run

LOCKS = sorted((ROOT / "requirements").rglob("*.lock"))
WITHOUT_HASH = {"torch"}  # its CPU and CUDA builds are other files, in other indexes
PINNED = re.compile(r"^([\w.-]+)==\S+((?:\s+\\\n?)?(?:\s*--hash=sha256:[0-9a-f]{64}(?: \\\n)?)*)$", flags=re.M)


def pinned(lock: Path) -> dict[str, int]:
    """The distributions of a lock and how many hashes each has."""
    return {name: hashes.count("--hash=sha256:") for name, hashes in PINNED.findall(lock.read_text())}


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.stem)
def test_every_version_has_the_hashes_of_its_files(lock):
    found = pinned(lock)
    assert len(found) == len(re.findall("==", lock.read_text())) > 0
    assert {name for name, number in found.items() if not number} <= WITHOUT_HASH


@pytest.fixture(scope="module")
def copy(tmp_path_factory) -> Path:
    """A copy of the project with one environment, which each test here asks to have filled."""
    return copy_project(tmp_path_factory.mktemp("locks"), git=False)


def install(copy: Path, lock: str, fails: bool = False) -> str:
    (copy / "requirements/small.lock").write_text(lock)
    return run(copy, "requirements/install.sh", "python3", ".venv-small", "small", fails=fails)


@pytest.mark.index
def test_a_file_with_another_hash_is_not_installed(copy):
    said = install(copy, f"# a line of words\nidna==3.20 \\\n    --hash=sha256:{'0' * 64}\n", fails=True)
    assert "DO NOT MATCH THE HASHES" in said and "setup: pip could not install requirements/small.lock" in said
    assert not list(copy.glob(".venv-small/lib/python*/site-packages/idna*")) and not (copy / ".venv-small/.small").exists()


@pytest.mark.index
def test_a_file_with_a_hash_of_the_lock_is_installed(copy):
    (entry,) = re.findall(r"^idna==.*\n(?:    --hash.*\n)+", (copy / "requirements/load.lock").read_text(), flags=re.M)
    install(copy, entry)
    assert list(copy.glob(".venv-small/lib/python*/site-packages/idna/__init__.py")) and (copy / ".venv-small/.small").exists()
