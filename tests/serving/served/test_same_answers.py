"""The served model says what `evaluate` says, through every door."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import polars as pl
import pytest

from stages.scoring.scorer import score_split
from tests.serving.doors import DOORS, Reply, Tensors, by_name, over_grpc, over_http, over_json, packed
from tests.serving.served_world import REPOSITORY, request_spec, serving
from tests.stages.pipeline_world import CONF

pytestmark = pytest.mark.triton
ALLOWED = 1e-6
ROOT = CONF.parent
MADE = [ROOT / name for name in (REPOSITORY, "artifacts/export", "data/split/test.parquet", "data/predictions/test.parquet")]
REQUEST_ROWS, JSON_ROWS = 1000, 4000


@pytest.fixture(scope="module")
def rows(exported) -> pl.DataFrame:
    return pl.read_parquet(exported / "data/split/test.parquet")


@pytest.fixture(scope="module")
def expected(exported) -> np.ndarray:
    p = score_split(exported / "artifacts/export", exported / "data/split/test.parquet")
    assert p.std() > 0.05
    return p


@pytest.mark.parametrize("door", DOORS)
def test_every_door_gives_the_probabilities_of_evaluation(server, spec, rows, expected, door):
    reply = DOORS[door](server, packed(rows, spec))
    assert reply.code == "OK", reply.error
    assert np.abs(reply.probability - expected).max() <= ALLOWED
    assert reply.version.tolist() == [1] * len(rows)


@pytest.mark.parametrize("door", DOORS)
def test_a_tensor_a_column_gives_the_same(server, spec, rows, expected, door):
    reply = DOORS[door](server, by_name(rows, spec), "ctr_by_name")
    assert reply.code == "OK", reply.error
    assert np.abs(reply.probability - expected).max() <= ALLOWED
    assert reply.version.tolist() == [1] * len(rows)


@pytest.mark.skipif(not all(path.exists() for path in MADE), reason="the pipeline has not run here; run `make repro` first")
def test_the_pipelines_own_model_gives_its_stored_predictions_on_the_whole_test_split(tmp_path):
    spec = request_spec(ROOT)
    tensors = packed(pl.read_parquet(ROOT / "data/split/test.parquet"), spec)
    expected = pl.read_parquet(ROOT / "data/predictions/test.parquet")["p_click"].to_numpy()
    some = np.random.default_rng(0).choice(len(expected), JSON_ROWS, replace=False)
    sample = {name: values[some] for name, values in tensors.items()}
    with serving(tmp_path, ROOT / REPOSITORY) as server:
        for door in (over_grpc, over_http):
            assert np.abs(ask_in_parts(server, door, tensors) - expected).max() <= ALLOWED
        assert np.abs(ask_in_parts(server, over_json, sample) - expected[some]).max() <= ALLOWED


def ask_in_parts(server, door: Callable[..., Reply], tensors: Tensors) -> np.ndarray:
    """Probabilities of all rows, asked REQUEST_ROWS at a time, two requests at once."""
    num_rows = len(next(iter(tensors.values())))
    starts = range(0, num_rows, REQUEST_ROWS)
    parts = [{name: values[start : start + REQUEST_ROWS] for name, values in tensors.items()} for start in starts]
    with ThreadPoolExecutor(2) as pool:
        replies = list(pool.map(lambda part: door(server, part), parts))
    assert {(reply.code, reply.error) for reply in replies} == {("OK", "")}
    return np.concatenate([reply.probability for reply in replies])
