"""A look at the evidence that is killed at any call which changes the disk, and made again, finds the same, once."""

import shutil
import subprocess
from itertools import count

import pytest

from serving.triton.journal.layout import CHALLENGER, KEY_SENT
from tests.lifecycle.killed_program import killed_after
from tests.lifecycle.replay.routed_world import Arms
from tests.lifecycle.rollout.evidence.evidence_world import gathered, label
from tests.stages.pipeline_world import CONF

MODULE, ROOT = "tests.lifecycle.rollout.evidence.gathered_once", CONF.parent


@pytest.fixture
def folder(tmp_path, strict_exported, strict_spec, strict_rows):
    arms = Arms(tmp_path, strict_exported, strict_spec)
    ours = arms.answer(strict_rows, flags=KEY_SENT, key=b"user 1")
    theirs = arms.answer(strict_rows[3:], CHALLENGER, flags=KEY_SENT, key=b"user 2")
    arms.to_parquet()
    label(tmp_path / "feedback", {(own, row): row % 2 for own in (ours, theirs) for row in range(3)})
    return tmp_path


def written(folder) -> dict[str, bytes]:
    root = folder / "rollouts"
    return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


def check_killed(folder, calls: tuple[str, ...]) -> int:
    """How many times it was killed before it got to its end."""
    found = gathered(folder)
    whole = written(folder)
    assert len(whole) == 3 and found.pairs().height == 6 and found.labelled == {0: 3}
    for left in count():
        shutil.rmtree(folder / "rollouts")
        ran = subprocess.run([*killed_after(left, MODULE, calls), str(folder)], cwd=ROOT, capture_output=True, text=True)
        assert ran.returncode in (0, 9), ran.stderr
        again = gathered(folder)
        assert written(folder) == whole and again.labelled == {0: 3} and again.lacking == 0
        if ran.returncode == 0:
            return left
    raise AssertionError


def test_a_look_that_is_killed_before_any_file_has_its_name(folder):
    assert check_killed(folder, ("replace",)) == 3  # counts, pairs, assigned


@pytest.mark.slow
def test_a_look_that_is_killed_at_any_change_of_the_disk(folder):
    assert check_killed(folder, ("replace", "fsync", "mkdir")) >= 6
