"""The client with cells of several values: as lists, as texts, as slots; every door answers alike."""

import numpy as np
import polars as pl
import pytest

from serving.client import BrokenRows, CtrClient
from stages.scoring.scorer import score_split
from tests.serving.served_world import REPOSITORY, serving
from tests.stages.listed_world import as_texts, listed_rows

pytestmark = pytest.mark.triton
ALLOWED = 1e-6
RAW = listed_rows(2, 300)


@pytest.fixture(scope="module")
def listed(exported_as):
    return exported_as("lists")


@pytest.fixture(scope="module")
def truth(listed) -> np.ndarray:
    """What evaluation says of the rows, by their id."""
    rows = listed / "data/split/test.parquet"
    p = dict(zip(pl.read_parquet(rows)["id"], score_split(listed / "artifacts/export", rows), strict=True))
    return np.array([p[row] for row in RAW["id"]])


@pytest.fixture(scope="module")
def client(listed, tmp_path_factory):
    with serving(tmp_path_factory.mktemp("served"), listed / REPOSITORY) as server, CtrClient(server.grpc_url) as found:
        yield found


@pytest.mark.parametrize("check", [True, False])
@pytest.mark.parametrize("kind", ["lists", "texts", "arrow", "pandas", "turned"])
def test_lists_and_texts_get_the_probabilities_of_evaluation(client, truth, kind, check):
    turned = RAW.with_columns(pl.col("tags").list.reverse().list.concat(pl.col("tags")))
    rows = {"lists": RAW, "texts": as_texts(RAW), "arrow": RAW.to_arrow(), "pandas": RAW.to_pandas(), "turned": turned}[kind]
    assert np.abs(client.predict(rows, check=check).probability - truth).max() <= ALLOWED


def test_what_was_clicked_before_matters(client, truth):
    """The order of a sequence beyond `longest` does, and so does what is in it."""
    other = RAW.with_columns(last=pl.lit(["ad0", "ad1", "ad2", "ad3"]))
    assert np.abs(client.predict(other).probability - truth).max() > 0.01


def test_a_broken_value_is_named(client):
    rows = RAW.with_columns(tags=pl.Series([[1, 2]] * len(RAW)).cast(pl.List(pl.Float64)) * 2.0**60)
    with pytest.raises(BrokenRows, match="'tags'"):
        client.predict(rows)


def test_rows_without_the_column_are_refused_with_both_ways_to_give_it(client):
    with pytest.raises(ValueError, match=r"the rows lack columns 'tags\[0\]' \(or 'tags', a list\)"):
        client.predict(RAW.drop("tags"))
