"""Creatives that the model knows, that it has not seen but is shown, and that it knows nothing of."""

from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest

from tests.serving.doors import DOORS, by_name, over_grpc, packed
from tests.serving.metrics import scrape, total
from tests.serving.pictures import encoded
from tests.serving.served_world import REPOSITORY, request_spec, serving
from tests.serving.strict_world import COLORS

pytestmark = pytest.mark.triton
STRANGER = 77


@pytest.fixture(scope="module")
def known(strict_rows) -> pl.DataFrame:
    """Rows whose creative has an image in the training data. Its id is no feature, only its image is."""
    found = strict_rows.filter(pl.col("ad") < len(COLORS))
    assert len(found) >= 30 and found["ad"].n_unique() == len(COLORS)
    return found


def images_of(rows: pl.DataFrame) -> list[bytes]:
    return [encoded(color=COLORS[ad]) for ad in rows["ad"]]


def strangers(rows: pl.DataFrame) -> pl.DataFrame:
    """The same rows under an id that training has not seen."""
    return rows.with_columns(pl.lit(STRANGER, pl.Int64).alias("ad"))


@pytest.mark.parametrize("door", ["grpc", "http"])  # JSON has no bytes: over HTTP an image is a binary tensor
@pytest.mark.parametrize("model", ["ctr", "ctr_by_name"])
def test_an_unknown_creative_with_an_image_is_taken_for_what_it_looks_like(strict_server, strict_spec, known, door, model):
    build = packed if model == "ctr" else by_name
    truth = DOORS[door](strict_server, build(known, strict_spec), model).probability
    shown = DOORS[door](strict_server, build(strangers(known), strict_spec, images_of(known)), model).probability
    assert np.abs(shown - truth).max() <= 1e-6


def test_an_image_brings_the_answer_nearer_to_the_truth_than_none(strict_server, strict_spec, known):
    truth = over_grpc(strict_server, packed(known, strict_spec)).probability
    blind = over_grpc(strict_server, packed(strangers(known), strict_spec)).probability
    similar = [encoded(color=tuple(min(255, part + 12) for part in COLORS[ad])) for ad in known["ad"]]
    shown = over_grpc(strict_server, packed(strangers(known), strict_spec, similar)).probability
    assert np.abs(blind - truth).mean() > 0.01
    assert np.abs(shown - truth).mean() < 0.5 * np.abs(blind - truth).mean()


def test_without_an_image_all_unknown_creatives_are_the_same(strict_server, strict_spec, known):
    blind = over_grpc(strict_server, packed(strangers(known), strict_spec)).probability
    without_image = over_grpc(strict_server, packed(known.with_columns(ad=5), strict_spec)).probability  # ad5 never had one
    empty = over_grpc(strict_server, packed(strangers(known), strict_spec, [b""] * len(known))).probability
    assert blind.tolist() == without_image.tolist() == empty.tolist()


def test_an_image_of_a_known_creative_changes_nothing(strict_server, strict_spec, known):
    truth = over_grpc(strict_server, packed(known, strict_spec)).probability
    red = [encoded(color=(255, 0, 0))] * len(known)
    assert over_grpc(strict_server, packed(known, strict_spec, red)).probability.tolist() == truth.tolist()


def test_rows_with_and_without_image_mix_in_a_request(strict_server, strict_spec, known):
    rows = pl.concat([known[:1], strangers(known[:2])])
    truth = over_grpc(strict_server, packed(known[:2], strict_spec)).probability
    blind = over_grpc(strict_server, packed(strangers(known[:1]), strict_spec)).probability
    mixed = over_grpc(strict_server, packed(rows, strict_spec, [b"", b"", images_of(known)[1]])).probability
    assert np.abs(mixed - [truth[0], blind[0], truth[1]]).max() <= 1e-6


def test_png_and_jpeg_are_looked_at(strict_server, strict_spec, known):
    row = strangers(known[:1])
    white = [encoded(kind, (255, 255, 255)) for kind in ("PNG", "JPEG")]
    found = [over_grpc(strict_server, packed(row, strict_spec, [image])).probability[0] for image in white]
    assert found[0] == pytest.approx(found[1], abs=1e-6)
    assert found[0] != over_grpc(strict_server, packed(row, strict_spec)).probability[0]


def test_the_second_sight_of_an_image_comes_from_the_cache(strict_server, strict_spec, known):
    request = packed(strangers(known[:1]), strict_spec, [encoded(color=(1, 2, 3))])
    before = scrape(strict_server)
    first = over_grpc(strict_server, request)
    between = scrape(strict_server)
    second = over_grpc(strict_server, request)
    after = scrape(strict_server)
    counts = [
        [total(found, f"nv_cache_num_{kind}_per_model", model="creative_encoder") for kind in ("hits", "misses")]
        for found in (before, between, after)
    ]
    assert np.diff(counts, axis=0).tolist() == [[0, 1], [1, 0]]
    assert first.probability.tolist() == second.probability.tolist()


def test_where_creatives_have_no_images_none_is_offered(exported_as, tmp_path):
    world = exported_as("no_images")
    spec, rows = request_spec(world), pl.read_parquet(world / "data/split/test.parquet", n_rows=2)
    with serving(tmp_path, world / REPOSITORY) as server:
        for model, tensors in (("ctr", packed), ("ctr_by_name", by_name)):
            refused = over_grpc(server, tensors(rows, spec, [b"", encoded()]), model)
            assert refused.code == "INVALID_ARGUMENT"
            assert refused.error == f"unexpected inference input 'creative_image' for model '{model}'"
            assert over_grpc(server, tensors(rows, spec), model).code == "OK"


def test_a_model_that_looks_at_none_of_the_declared_images_refuses_one(inside_triton):
    creatives, refused = inside_triton("serving.triton.creatives"), []
    rows = SimpleNamespace(num_rows=1, images=lambda: [(0, 0, 0, encoded())], refuse=lambda _, refusal: refused.append(refusal))
    looks = creatives.CreativeLooks(1, None, {"image_size": 8, "limits": {}}, None)
    assert looks.of(rows) is None
    assert [str(refusal) for refusal in refused] == ["input 'creative_image' is given, but this model looks at no images"]
