"""A copy of the project that is no git repository: one sentence with the way out, and then it goes that way."""

from pathlib import Path

import pytest

from tests.project.project_copy import copy_project, run

SENTENCE = (
    "repro: DVC needs a git repository and git finds none here (its message stands above); clone the project or run `git init`"
)


@pytest.fixture
def copy(tmp_path) -> Path:
    """A copy that is installed already, as far as make can see."""
    folder = copy_project(tmp_path, git=False)
    (folder / ".venv").mkdir()
    (folder / ".venv/.pipeline").touch()
    return folder


def without_parents(folder: Path) -> dict[str, str]:
    return {"GIT_CEILING_DIRECTORIES": str(folder.parent)}


def test_make_repro_says_what_to_do_where_there_is_no_git_repository(copy):
    lines = run(copy, "make", "repro", fails=True, **without_parents(copy)).splitlines()
    assert lines[0].startswith("fatal: not a git repository")
    assert lines[1].startswith(SENTENCE) and lines[1].endswith("as `dvc config core.no_scm true` does")
    assert len(lines) == 3 and lines[2].startswith("make: ***")


def test_the_installation_says_the_same(copy):
    said = run(copy, "requirements/install.sh", "python3", ".venv-x", "pipeline", fails=True, **without_parents(copy))
    assert f"setup{SENTENCE.removeprefix('repro')}" in said and not (copy / ".venv-x").exists()


@pytest.mark.parametrize("way", [("git", "init", "-q"), ("dvc", "config", "core.no_scm", "true")])
def test_both_ways_out_lead_out(copy, way):
    run(copy, *way, **without_parents(copy))
    assert run(copy, "requirements/system/check-git.sh", "repro", **without_parents(copy)) == ""
    assert run(copy, "dvc", "stage", "list", "--name-only", **without_parents(copy)).split()[0] == "compose"
