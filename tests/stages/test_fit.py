"""Stages fit and encode on a small data set: what is dropped is in no input downstream."""

from pathlib import Path

import numpy as np
import onnx
import polars as pl
import pytest

from contracts.tables.images import to_pixels
from stages.features.vocabulary import Vocabulary
from stages.files import read_json, sha256_file
from stages.fit import describe
from tests.contracts.declared import FEATURE, LABEL, declared
from tests.stages.pipeline_world import COLUMNS, declaration, run, write_month, write_params

OUTPUTS = ("artifacts/encoder.onnx", "artifacts/features.json", "artifacts/reference_profile.json")


@pytest.fixture
def months(project):
    for month in (1, 2):
        write_month(project / "source", month)
    noisy = [
        *COLUMNS[:-1],
        {"name": "t_hour", "role": "categorical", "dtype": "int", "derive_from": "t", "part": "hour"},
    ]
    write_params(declaration(columns=[*noisy, COLUMNS[-1]]), ("features.selection.min_columns=1",))
    run("acquire", "validate", "split", "fit")


def test_fit_keeps_what_tells_and_what_must_stay_and_says_so(months, capsys):
    report = {column["name"]: column for column in read_json(Path("reports/selection.json"))["columns"]}
    assert list(report) == ["site", "ad", "age", "view", "t_hour"]
    assert {name: column["kept"] for name, column in report.items()} == {
        "site": True, "ad": True, "age": True, "view": True, "t_hour": False,
    }  # fmt: skip
    assert report["age"]["score"] > report["site"]["score"] > 0
    assert report["ad"]["reason"] == "the declaration says keep"
    train = pl.read_parquet("data/split/train.parquet")
    assert report["age"]["missing_frac"] == train["age"].null_count() / len(train)


def test_a_column_that_tells_too_much_is_told(months, capfd):
    write_params(declaration(), ("features.selection.max_explained=0.001",))
    run("fit")
    found = capfd.readouterr().err
    assert "fit: 'age' is left out: it explains " in found and "known only after the click?" in found


def test_a_dropped_column_is_in_no_input_downstream(months):
    run("encode")
    encoder = onnx.load("artifacts/encoder.onnx")
    assert [value.name for value in encoder.graph.input] == ["site", "ad", "age", "view"]
    features = read_json(Path("artifacts/features.json"))
    assert features["inputs"] == [
        {"name": "site", "kind": "categorical"},
        {"name": "ad", "kind": "categorical"},
        {"name": "age", "kind": "numeric"},
        {"name": "view", "kind": "categorical"},
    ]
    spec = read_json(Path("data/encoded/spec.json"))
    assert [field["name"] for field in spec["categorical"]] == ["site", "ad", "age__bucket", "view"]
    assert spec["dense"] == ["age", "age__missing"]
    assert np.load("data/encoded/train/cat_idx.npy").shape[1] == 4
    assert "t_hour" in read_json(Path("artifacts/reference_profile.json"))["columns"]  # drift is watched all the same


def test_encode_writes_rows_in_the_order_of_the_splits(months):
    run("encode")
    features = read_json(Path("artifacts/features.json"))
    for name in ("train", "val", "test"):
        rows = pl.read_parquet(f"data/split/{name}.parquet")
        arrays = {path.stem: np.load(path) for path in Path("data/encoded", name).glob("*.npy")}
        assert {key: value.dtype.name for key, value in arrays.items()} == {
            "cat_idx": "int32", "num_feats": "float32", "creative_idx": "int32", "label": "uint8",
        }  # fmt: skip
        assert arrays["label"].tolist() == rows["y"].to_list()
        known = {f"ad{i}": i + 1 for i in range(5)}  # ad5 has no image
        assert arrays["creative_idx"].tolist() == [known.get(ad, 0) for ad in rows["ad"]]
        assert arrays["num_feats"][:, 1].tolist() == rows["age"].is_null().cast(pl.Float64).to_list()
    pixels = np.load("data/encoded/creatives.npy")
    assert pixels.shape == (features["num_creatives"] + 1, 3, 8, 8)
    assert not pixels[0].any()
    for i in range(5):
        expected = to_pixels(Path(f"data/raw/2024-01/2024-01/ads/ad{i}.png").read_bytes(), 8)
        np.testing.assert_array_equal(pixels[i + 1], expected)


def test_fit_and_encode_give_equal_bytes_for_equal_input(months):
    run("encode")
    paths = [*map(Path, OUTPUTS), *sorted(Path("data/encoded").rglob("*.*"))]
    first = [sha256_file(path) for path in paths]
    run("fit", "encode")
    assert [sha256_file(path) for path in paths] == first


def test_a_data_set_without_images_or_numbers_is_encoded(project):
    write_month(project / "source", 1)
    kept = [column for column in COLUMNS if column["name"] != "age"]
    left_out = [{"name": "age", "why": "not asked"}]
    split = {"by": "time", "val_frac": 0.2, "test_frac": 0.2}
    write_params(declaration(columns=kept, leave_out=left_out, images=None, split=split))
    run("acquire", "validate", "split", "fit", "encode")
    assert read_json(Path("data/encoded/spec.json"))["creative"] is False
    assert np.load("data/encoded/val/num_feats.npy").shape == (80, 0)
    assert not Path("data/encoded/creatives.npy").exists()


def test_a_creative_whose_id_is_no_feature_is_still_an_input():
    creative = {"name": "ad", "role": "creative", "dtype": "string", "feature": False}
    made = declared(creative, FEATURE, LABEL, images={"files": "*.png"})
    features = describe(made, [Vocabulary(name="c", values=("a",))], ("x", "y"), 8)
    assert features["inputs"] == [{"name": "c", "kind": "categorical"}, {"name": "ad", "kind": "categorical"}]
    assert features["num_creatives"] == 2
