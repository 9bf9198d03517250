"""Arrays that are kept on the device change nothing in what stage `train` writes, killed or not."""

import pytest

from tests.stages.test_train import outputs, prepare, run_stage

KEPT = {"device_memory_frac": 0.5}


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """The folder of each run, by its name, and what was said in the last one."""
    root = tmp_path_factory.mktemp("kept")
    folders = {name: prepare(root / name, trainer=KEPT if "kept" in name else {}) for name in ("mapped", "kept", "kept_killed")}
    moments = [("mapped", "never"), ("kept", "never"), ("kept_killed", "step:7"), ("kept_killed", "never")]
    results = run_stage(*((folders[name], moment) for name, moment in moments))
    assert [code for code, _ in results] == [0, 0, -9, 0], results
    return folders, results[-1][1]


def test_kept_arrays_give_the_same_bytes(runs):
    folders, _ = runs
    assert outputs(folders["kept"]) == outputs(folders["mapped"])


def test_a_killed_run_with_kept_arrays_goes_on_and_ends_with_the_same_bytes(runs):
    folders, said = runs
    assert "resuming at step 4 of at most 20" in said
    assert outputs(folders["kept_killed"]) == outputs(folders["mapped"])
