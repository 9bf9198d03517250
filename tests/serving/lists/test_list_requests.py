"""The client with cells of several values: as lists, as texts, as slots; every door answers alike."""

import numpy as np
import polars as pl
import pytest

from serving.client import BrokenRows, CtrClient
from stages.scoring.scorer import score_split
from tests.serving.doors import by_name, over_grpc
from tests.serving.served_world import REPOSITORY, request_spec, serving
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
def server(listed, tmp_path_factory):
    with serving(tmp_path_factory.mktemp("served"), listed / REPOSITORY) as found:
        yield found


@pytest.fixture(scope="module")
def client(server):
    with CtrClient(server.grpc_url) as found:
        yield found


@pytest.mark.parametrize("check", [True, False])
@pytest.mark.parametrize("kind", ["lists", "texts", "arrow", "pandas", "turned"])
def test_lists_and_texts_get_the_probabilities_of_evaluation(client, truth, kind, check):
    turned = RAW.with_columns(pl.col("tags").list.reverse().list.concat(pl.col("tags")))
    rows = {"lists": RAW, "texts": as_texts(RAW), "arrow": RAW.to_arrow(), "pandas": RAW.to_pandas(), "turned": turned}[kind]
    assert np.abs(client.predict(rows, check=check).probability - truth).max() <= ALLOWED


@pytest.fixture(scope="module")
def named(listed) -> tuple[pl.DataFrame, dict[str, np.ndarray]]:
    """Thirty rows of the test split, and their tensors by name, with slots."""
    rows = pl.read_parquet(listed / "data/split/test.parquet").head(30)
    return rows, by_name(rows, request_spec(listed))


def whole(rows: pl.DataFrame, tensors: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The tensors with lists instead of slots: what a page would send, a tag twice and with gaps, the oldest ad first."""
    of_row = {row["id"]: row for row in RAW.to_dicts()}
    lists = {name: [[value.encode() for value in of_row[key][name]] for key in rows["id"]] for name in ("tags", "last")}
    lists["tags"] = [[*values[::-1], b"", *values] for values in lists["tags"]]
    kept = {name: values for name, values in tensors.items() if "[" not in name}
    return kept | {name: padded(values) for name, values in lists.items()}


def padded(lists: list[list[bytes]]) -> np.ndarray:
    width = max(map(len, lists))
    return np.array([values + [b""] * (width - len(values)) for values in lists], dtype=object)


def test_lists_by_name_get_what_their_slots_get(server, named):
    rows, tensors = named
    slots = over_grpc(server, tensors, "ctr_by_name")
    lists = over_grpc(server, whole(rows, tensors), "ctr_by_name")
    assert (slots.code, lists.code, lists.error) == ("OK", "OK", "")
    assert slots.probability.tobytes() == lists.probability.tobytes()


def test_a_list_beside_its_slots_and_neither_of_both_are_refused_by_name(server, named):
    rows, tensors = named
    both = over_grpc(server, tensors | {"tags": whole(rows, tensors)["tags"]}, "ctr_by_name")
    assert (both.code, both.error) == ("INVALID_ARGUMENT", "inputs 'tags' and 'tags[0]' say the same; send one of them")
    none = over_grpc(server, {name: values for name, values in tensors.items() if "tags" not in name}, "ctr_by_name")
    assert none.error == "input 'tags[0]' is missing; send BYTES [rows, 1], or 'tags' BYTES [rows, values]"


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
