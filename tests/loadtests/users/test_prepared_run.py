"""A run is prepared only where its answers can be judged: against the evaluation, and by one command at a time."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from loadtests.requests.right_answers import Drawn, RightAnswers
from loadtests.settings import load_settings
from loadtests.users.prepared_run import MANIFEST, PREDICTIONS, compare_with_evaluation, is_ours, one_at_a_time

P_CLICK = np.array([0.1, 0.2, 0.3, 0.4], dtype=np.float32)
DRAWN = [
    Drawn(tensors={}, rows_N=np.array([2, 3]), with_image=False),
    Drawn(tensors={}, rows_N=np.array([0]), with_image=True),
    Drawn(tensors={}, rows_N=np.array([1]), with_image=False),
]
ANSWERS = np.array([0.3, 0.4, 0.9, 0.2], dtype=np.float32)  # the row with an image is of a creative that nobody knows


@pytest.fixture
def evaluated(project) -> Path:
    """A project whose model was evaluated and is served as version 1."""
    for path in (MANIFEST, Path("models/ctr/1/manifest.json"), Path("data/split/test.parquet")):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("the model")
    PREDICTIONS.parent.mkdir(parents=True)
    pl.DataFrame({"p_click": P_CLICK}).write_parquet(PREDICTIONS)
    return project


def compared(answers: np.ndarray = ANSWERS, version: int = 1) -> str:
    return compare_with_evaluation(DRAWN, RightAnswers(probability=answers, model_version=version), Path("models"))


def test_the_served_model_says_what_was_evaluated(evaluated):
    assert "those of stage evaluate (within 1e-06)" in compared()


def test_a_served_model_that_says_something_else_is_no_reference(evaluated):
    with pytest.raises(ValueError, match=r"differs from data/predictions/test.parquet by up to 0.01 .*; run `make repro`"):
        compared(ANSWERS + np.array([0, 0, 0, 0.01], dtype=np.float32))


def test_predictions_of_another_model_are_not_compared(evaluated):
    wrong = ANSWERS + 0.01
    assert compared(wrong, version=2) == ""
    Path("models/ctr/1/manifest.json").write_text("another")
    assert compared(wrong) == ""


def test_only_the_server_of_params_yaml_serves_from_this_projects_store():
    assert is_ours(load_settings("smoke", [])) and not is_ours(load_settings("smoke", ["http_port=9000"]))


def test_a_second_run_at_the_same_time_is_refused(project):
    with one_at_a_time(), pytest.raises(ValueError, match="another load run is under way here"), one_at_a_time():
        pass
    with one_at_a_time():
        pass
