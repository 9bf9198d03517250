"""Every file that is installed has to have a hash that its lock names; torch alone has none."""

import re
from pathlib import Path

import pytest

from tests.project.imports import ROOT
from tests.project.project_copy import copy_project, run

LOCKS = sorted((ROOT / "requirements").glob("*.lock"))
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


@pytest.mark.index
def test_a_file_with_another_hash_is_not_installed(tmp_path):
    copy = copy_project(tmp_path, git=False)
    lock = copy / "requirements/small.lock"
    lock.write_text(f"# a line of words\nidna==3.20 \\\n    --hash=sha256:{'0' * 64}\n")
    said = run(copy, "requirements/install.sh", "python3", ".venv-small", "small", fails=True)
    assert "DO NOT MATCH THE HASHES" in said and "setup: pip could not install requirements/small.lock" in said


@pytest.mark.index
def test_a_file_with_a_hash_of_the_lock_is_installed(tmp_path):
    copy = copy_project(tmp_path, git=False)
    text = (copy / "requirements/load.lock").read_text()
    (entry,) = re.findall(r"^idna==.*\n(?:    --hash.*\n)+", text, flags=re.M)
    (copy / "requirements/small.lock").write_text(entry)
    run(copy, "requirements/install.sh", "python3", ".venv-small", "small")
    assert "idna" in run(copy, ".venv-small/bin/python", "-m", "pip", "list")
