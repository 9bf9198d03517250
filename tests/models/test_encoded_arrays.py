"""Reading data/encoded/: what does not agree with its spec is refused with a sentence."""

import json

import numpy as np
import pytest

from stages.models.encoded_arrays import EncodedSpec, load_creatives, load_spec, load_split
from tests.models.encoded_world import World, spec_of, write_encoded


def test_arrays_come_back_as_written(tmp_path):
    write_encoded(tmp_path, World())
    spec = load_spec(tmp_path)
    assert spec == spec_of(World()) and EncodedSpec.from_json(spec.to_json()) == spec
    split = load_split(tmp_path, "val", spec)
    assert len(split) == 200
    assert np.array_equal(split.cat_idx_NF, np.load(tmp_path / "val/cat_idx.npy"))
    assert load_creatives(tmp_path, spec).shape == (10, 3, 8, 8)


def test_a_data_set_may_have_no_dense_columns_and_no_creatives(tmp_path):
    write_encoded(tmp_path, World(num_dense=0, num_creatives=0))
    spec = load_spec(tmp_path)
    split = load_split(tmp_path, "train", spec)
    assert split.num_feats_NM.shape == (600, 0) and split.creative_idx_N is None
    assert load_creatives(tmp_path, spec) is None


def test_an_empty_split_is_refused(tmp_path):
    write_encoded(tmp_path, World(num_rows={"train": 0}))
    with pytest.raises(ValueError, match="split train in .* has no rows"):
        load_split(tmp_path, "train", load_spec(tmp_path))


@pytest.mark.parametrize(
    ("name", "array", "message"),
    [
        ("cat_idx", np.zeros((200, 2), dtype=np.int32), r"must have shape \(200, 3\) by spec.json, got \(200, 2\)"),
        ("cat_idx", np.full((200, 3), 7, dtype=np.int32), r"ids of field1 must be in 0..6 by spec.json, got 7..7"),
        ("cat_idx", np.zeros((200, 3), dtype=np.int64), "must hold int32 of 2 axes, got int64 of 2"),
        ("num_feats", np.full((200, 2), np.nan, dtype=np.float32), "must hold finite numbers only"),
        ("creative_idx", np.full(200, -1, dtype=np.int32), r"indices must be in 0..9 by spec.json, got -1..-1"),
        ("label", np.full(200, 2, dtype=np.uint8), r"labels must be in 0..1"),
        ("num_feats", np.zeros((199, 2), dtype=np.float32), r"got \(199, 2\)"),
    ],
)
def test_an_array_that_does_not_agree_with_the_spec_is_named(tmp_path, name, array, message):
    write_encoded(tmp_path, World())
    np.save(tmp_path / f"val/{name}.npy", array)
    with pytest.raises(ValueError, match=f"{name}.*{message}"):
        load_split(tmp_path, "val", load_spec(tmp_path))


def test_images_of_another_number_are_refused(tmp_path):
    write_encoded(tmp_path, World())
    np.save(tmp_path / "creatives.npy", np.zeros((3, 3, 8, 8), dtype=np.uint8))
    with pytest.raises(ValueError, match=r"must have shape \(10, 3, 8, 8\), got \(3, 3, 8, 8\)"):
        load_creatives(tmp_path, load_spec(tmp_path))


def test_missing_files_say_which_stage_writes_them(tmp_path):
    with pytest.raises(ValueError, match="spec.json is missing; run the stage `encode` first"):
        load_spec(tmp_path)
    (tmp_path / "spec.json").write_text(json.dumps({"categorical": []}))
    with pytest.raises(ValueError, match="is not a spec of encoded columns"):
        load_spec(tmp_path)
    with pytest.raises(ValueError, match="label.npy is missing"):
        load_split(tmp_path, "train", spec_of(World()))
