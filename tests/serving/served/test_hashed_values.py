"""A model that hashes values without an id of their own, behind Triton: the answers of evaluation, known values or new."""

import numpy as np
import polars as pl
import pytest

from stages.features.apply import Encoder
from stages.files import read_json
from stages.scoring.scorer import score_split
from stages.warm_start.rows import known_values
from tests.serving.doors import DOORS, by_name, over_grpc, packed
from tests.serving.metrics import scrape, total
from tests.serving.served_world import REPOSITORY, exported_with, request_spec, serving, wait_for

pytestmark = pytest.mark.triton
ALLOWED = 1e-6
UNKNOWN = "adclick_unknown_values_total"
NEW_SITES = ("a site that is new", "еще один", "s" * 200)


@pytest.fixture(scope="module")
def hashed(exported_as):
    return exported_as("hashed")


@pytest.fixture(scope="module")
def rows(hashed, tmp_path_factory) -> pl.DataFrame:
    """Test rows, and the same with values that nobody has seen."""
    known = pl.read_parquet(hashed / "data/split/test.parquet")
    new = known.with_columns(
        site=pl.Series([NEW_SITES[i % 3] + str(i % 5) for i in range(len(known))]),
        view=pl.Series([40 + i % 7 for i in range(len(known))], dtype=known["view"].dtype),
        **{"tags[0]": pl.Series([f"tag {i % 11}" for i in range(len(known))])},
    )
    return pl.concat([known, new])


@pytest.fixture(scope="module")
def expected(hashed, rows, tmp_path_factory) -> np.ndarray:
    path = tmp_path_factory.mktemp("rows") / "rows.parquet"
    rows.write_parquet(path)
    return score_split(hashed / "artifacts/export", path)


@pytest.fixture(scope="module")
def server(hashed, tmp_path_factory):
    with serving(tmp_path_factory.mktemp("served"), hashed / REPOSITORY) as running:
        yield running


def test_new_values_fall_into_buckets(hashed, rows):
    encoded = Encoder(hashed / "artifacts/export/encoder.onnx").encode(rows[len(rows) // 2 :])
    fields = read_json(hashed / "artifacts/export/features.json")["categorical"]
    assert {field["name"] for field in fields if "hashed" in field} >= {"site", "ad", "view", "tags[0]"}
    for name in ("site", "view", "tags[0]"):
        place, field = next((place, field) for place, field in enumerate(fields) if field["name"] == name)
        in_bucket_N = encoded.cat_idx[:, place] >= field["num_ids"] - field["hashed"]
        assert 0.1 < in_bucket_N.mean() <= 1, name


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("model", ["ctr", "ctr_by_name"])
def test_every_door_gives_the_probabilities_of_evaluation_for_hashed_values(server, hashed, rows, expected, door, model):
    tensors = (by_name if model == "ctr_by_name" else packed)(rows, request_spec(hashed))
    reply = DOORS[door](server, tensors, model)
    assert reply.code == "OK", reply.error
    assert np.abs(reply.probability - expected).max() <= ALLOWED


def test_numbers_as_texts_are_hashed_as_they_are_spelt_in_training(server, hashed, rows, expected):
    tensors = packed(rows, request_spec(hashed))
    place = [column.name for column in request_spec(hashed).categorical].index("view")
    tensors["categorical"] = tensors["categorical"].copy()
    tensors["categorical"][:, place] = [f" +0{value.decode()}.0".encode() for value in tensors["categorical"][:, place]]
    reply = over_grpc(server, tensors)
    assert reply.code == "OK", reply.error
    assert np.abs(reply.probability - expected).max() <= ALLOWED


def test_what_is_hashed_counts_as_unknown(hashed, rows, tmp_path):
    export, new = hashed / "artifacts/export", rows[len(rows) // 2 :]
    known = set(known_values(export / "encoder.onnx")["site"])
    asked = pl.concat([rows[:40], new[:30]])
    unknown = sum(site not in known for site in asked["site"])
    assert 30 < unknown < 70
    with serving(tmp_path, exported_with(hashed, tmp_path / "repository", metrics_interval_s=0.2)) as server:
        assert over_grpc(server, packed(asked, request_spec(hashed))).code == "OK"
        wait_for(lambda: total(scrape(server), UNKNOWN, column="site") == unknown, 10, "unknown sites are counted")
