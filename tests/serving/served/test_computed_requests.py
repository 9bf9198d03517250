"""The served model with computed columns: callers send what they are made of, and what they have counted."""

import numpy as np
import polars as pl
import pytest

from serving.client import BrokenRows, CtrClient
from stages.scoring.scorer import Scorer, score_split
from tests.serving.doors import by_name, over_grpc, packed
from tests.serving.served_world import REPOSITORY, request_spec, serving
from tests.stages.computed_world import COUNTED, MADE

pytestmark = pytest.mark.triton
ALLOWED = 1e-6


@pytest.fixture(scope="module")
def world(exported_as):
    return exported_as("computed")


@pytest.fixture(scope="module")
def server(world, tmp_path_factory):
    with serving(tmp_path_factory.mktemp("served"), world / REPOSITORY) as running:
        yield running


@pytest.fixture(scope="module")
def rows(world) -> pl.DataFrame:
    """What a caller has: no column that the model computes."""
    return pl.read_parquet(world / "data/split/test.parquet").drop(column["name"] for column in MADE)


@pytest.fixture(scope="module")
def truth(world) -> np.ndarray:
    return score_split(world / "artifacts/export", world / "data/split/test.parquet")


def test_the_client_sends_what_they_are_made_of(server, rows, truth):
    with CtrClient(server.grpc_url) as client:
        assert np.abs(client.predict(rows).probability - truth).max() <= ALLOWED
        published = {column.name: column for column in client.served().request.columns}
    assert not {column["name"] for column in MADE} & {*published}
    assert published["user_clicks"].so_far.per == ("user",) and published["ad_rate"].so_far.prior == 0.4
    assert (
        published["user_clicks"].description == "the number of clicks more than 1 days before the row's time with the same 'user'"
    )
    assert truth.std() > 0.02


def test_columns_by_name_are_those_of_the_request(server, world, rows, truth):
    spec = request_spec(world)
    answer = over_grpc(server, by_name(rows, spec), "ctr_by_name")
    assert np.abs(answer.probability - truth).max() <= ALLOWED


@pytest.mark.parametrize("column", [column["name"] for column in COUNTED])
def test_rows_without_what_is_counted_are_refused_in_one_sentence(server, rows, column):
    said = {
        "user_clicks": "the number of clicks more than 1 days before",
        "ad_rate": r"\(clicks \+ 20 \* 0.4\) / \(impressions \+ 20\)",
    }
    with (
        CtrClient(server.grpc_url) as client,
        pytest.raises(ValueError, match=f"the rows lack column '{column}' .{said[column]}"),
    ):
        client.predict(rows.drop(column))


@pytest.mark.parametrize(("column", "value", "words"), [("user_clicks", -1, "at least 0"), ("ad_rate", 1.5, "at most 1")])
def test_what_cannot_have_been_counted_is_refused_by_client_and_server(server, world, rows, column, value, words):
    wrong = rows[:4].with_columns(pl.lit(value).cast(rows.schema[column]).alias(column))
    with CtrClient(server.grpc_url) as client, pytest.raises(BrokenRows, match=f"'{column}'.*{words}"):
        client.predict(wrong)
    answer = over_grpc(server, packed(wrong, request_spec(world)))
    assert answer.code == "INVALID_ARGUMENT" and column in answer.error and words in answer.error


@pytest.mark.parametrize("price", [0.0, None, 3e38])
def test_what_has_no_finite_value_is_answered_as_bulk_scoring_does(server, world, rows, price):
    odd = rows.with_columns(price=pl.lit(price, pl.Float64), age=pl.lit(3e38))
    answer = over_grpc(server, packed(odd, request_spec(world)))
    expected = Scorer(world / "artifacts/export").score(odd)
    assert np.abs(answer.probability - expected).max() <= ALLOWED
