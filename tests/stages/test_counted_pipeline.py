"""From raw files to arrays: a table of counts is the table with one row an impression, and weights arrive."""

import math
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch

from contracts.dataset.declaration import Declaration, Split
from stages.baselines import predict_baselines
from stages.cutting import cut
from stages.evaluation.config import BaselinesConfig
from stages.files import read_json
from stages.models.batches import Batch, TrainBatches
from stages.models.ctr_module import CtrModule
from stages.models.encoded_arrays import EncodedSplit, load_spec, load_split
from stages.models.id_hiding import hiding_shares
from stages.models.network import build_network
from stages.models.penalised_logistic import choose_logistic
from stages.settings import load_section
from tests.models.encoded_world import World, model_config, spec_of, train_config
from tests.stages.pipeline_world import COLUMNS, declaration, rows_of, run, write_params

VIEWS = {"name": "n", "role": "impressions", "dtype": "int"}
CLICKS = {"name": "k", "role": "clicks", "dtype": "int"}
FEATURES = [column for column in COLUMNS if column["name"] in ("t", "site", "user", "ad", "age", "view")]


def write_counts(folder: Path, *, each: bool) -> None:
    """Three months of a table of counts, or of the same impressions one by one, clicked ones first."""
    for month in (1, 2, 3):
        rows = rows_of(month, 250).drop("id", "y")
        rng = np.random.default_rng(month)
        views = rng.integers(0, 6, len(rows))
        clicks = rng.binomial(views, 0.1 + 0.15 * rows["site"].str.slice(5).cast(pl.Int64).to_numpy())
        rows = rows.with_columns(n=pl.Series(views), k=pl.Series(clicks))
        if each:
            place = np.repeat(np.arange(len(rows)), views)
            number = np.arange(len(place)) - np.repeat(np.cumsum(views) - views, views)
            rows = rows[place].with_columns(y=pl.Series((number < clicks[place]).astype(int))).drop("n", "k")
        path = folder / f"2024-{month:02d}/rows.csv"
        path.parent.mkdir(parents=True)
        rows.write_csv(path)


def made(folder: Path, monkeypatch, *, each: bool) -> dict[str, object]:
    """What stages split, fit and encode leave."""
    folder.mkdir()
    monkeypatch.chdir(folder)
    write_counts(Path("source"), each=each)
    outcome = [COLUMNS[-1]] if each else [VIEWS, CLICKS]
    write_params(declaration(images=None, columns=[*FEATURES, *outcome]))
    run("acquire", "validate", "split", "fit", "encode")
    names = ("split", "selection", "validation")
    spec = load_spec(Path("data/encoded"))
    return {
        **{name: read_json(Path(f"reports/{name}.json")) for name in names},
        "profile": read_json(Path("artifacts/reference_profile.json")),
        "features": read_json(Path("artifacts/features.json")) | {"declaration": ""},
        "encoder": Path("artifacts/encoder.onnx").read_bytes(),
        "train": load_split(Path("data/encoded"), "train", spec),
        "val": load_split(Path("data/encoded"), "val", spec),
        "test": load_split(Path("data/encoded"), "test", spec),
        "spec": spec,
        "data": load_section("data", Declaration),
    }


@pytest.fixture
def both(tmp_path, monkeypatch):
    return made(tmp_path / "counts", monkeypatch, each=False), made(tmp_path / "each", monkeypatch, each=True)


def test_a_table_of_counts_is_split_fitted_and_encoded_as_its_impressions(both):
    counted, each = both
    empty = counted["split"].pop("empty")
    assert counted["split"] == each["split"]
    assert empty == sum(int((np.random.default_rng(month).integers(0, 6, 250) == 0).sum()) for month in (1, 2, 3))
    for name in ("selection", "features", "profile"):
        assert close(counted[name], each[name]), name
    for name in ("train", "val", "test"):
        found, expected = counted[name], each[name]
        place = np.repeat(np.arange(len(found)), found.weight_N.astype(int))
        np.testing.assert_array_equal(found.cat_idx_NF[place], expected.cat_idx_NF)
        np.testing.assert_array_equal(found.label_N[place], expected.label_N)
        np.testing.assert_allclose(found.num_feats_NM[place], expected.num_feats_NM, rtol=1e-5, atol=1e-6)
        assert expected.weight_N is None and found.clicks_and_rows == expected.clicks_and_rows
    np.testing.assert_allclose(*(hiding_shares(one["train"], one["spec"], 80.0).numpy() for one in both), rtol=1e-5)


def close(found, expected) -> bool:
    if isinstance(expected, dict):
        return found.keys() == expected.keys() and all(close(found[key], value) for key, value in expected.items())
    if isinstance(expected, list):
        return len(found) == len(expected) and all(close(one, other) for one, other in zip(found, expected, strict=True))
    return math.isclose(found, expected, rel_tol=1e-6, abs_tol=1e-9) if isinstance(expected, float) else found == expected


def test_baselines_look_at_weights(both):
    counted, each = both
    settings = write_params(declaration(images=None))["baselines"] | {"lightgbm_max_trees": 20, "num_threads": 1}
    cfg = BaselinesConfig(**settings)
    found, expected = (
        predict_baselines({name: one[name] for name in ("train", "val", "test")}, one["spec"], cfg, "ad")[0] for one in both
    )
    rows = np.repeat(np.arange(len(counted["test"])), counted["test"].weight_N.astype(int))
    np.testing.assert_allclose(found["constant"].to_numpy()[rows], expected["constant"], rtol=1e-12)
    np.testing.assert_allclose(found["creative_rate"].to_numpy()[rows], expected["creative_rate"], rtol=1e-9)
    np.testing.assert_allclose(found["logistic"].to_numpy()[rows], expected["logistic"], atol=0.02)
    label = each["test"].label_N
    assert np.corrcoef(found["lightgbm"].to_numpy()[rows], expected["lightgbm"])[0, 1] > 0.5
    assert abs(found["lightgbm"].to_numpy()[rows].mean() - label.mean()) < 0.08


def split_of(num_rows: int, weight_N: np.ndarray | None, rows: np.ndarray) -> EncodedSplit:
    rng = np.random.default_rng(2)
    ids, dense, label = rng.integers(0, 7, (num_rows, 1)), rng.normal(size=(num_rows, 1)), rng.integers(0, 2, num_rows)
    return EncodedSplit(
        cat_idx_NF=ids.astype(np.int32)[rows],
        num_feats_NM=dense.astype(np.float32)[rows],
        creative_idx_N=None,
        label_N=label.astype(np.uint8)[rows],
        weight_N=weight_N,
    )


def test_the_loss_of_a_batch_and_its_gradient_are_those_of_its_impressions():
    count = np.array([1.0, 5, 2, 4, 3, 1, 7, 1])
    spec = spec_of(World(num_ids=(7,), num_dense=1, num_creatives=0))
    found = {}
    for name, split in (
        ("counted", split_of(8, count, np.arange(8))),
        ("each", split_of(8, None, np.repeat(np.arange(8), count.astype(int)))),
    ):
        torch.manual_seed(0)
        network = build_network(model_config("deepfm", dropout=0.0), spec)
        module = CtrModule(network, train_config(), None, 10, torch.zeros(7), None, split.mean_weight)
        source = TrainBatches(split, num_creatives=0, batch_size=99, seed=0, rank=0, num_ranks=1, num_steps_done=lambda: 0)
        (batch,) = list(source)
        loss = module.training_step(batch, 0)
        loss.backward()
        found[name] = loss.item(), network.ranker.get_parameter("first_order.bias").grad.item()
    assert found["counted"] == pytest.approx(found["each"], rel=1e-5)
    assert isinstance(batch, Batch) and batch.weight_B is None


def test_a_regression_on_counts_is_that_on_impressions():
    rng = np.random.default_rng(5)
    count = rng.integers(1, 5, 300).astype(float)
    spec = spec_of(World(num_ids=(7,), num_dense=1, num_creatives=0))
    one, other = split_of(300, count, np.arange(300)), split_of(300, None, np.repeat(np.arange(300), count.astype(int)))
    found, expected = (choose_logistic(split, split, spec, (0.1,), 500, 0) for split in (one, other))
    np.testing.assert_allclose(found.model.coef_, expected.model.coef_, atol=0.01)
    assert found.val_log_loss[0.1] == pytest.approx(expected.val_log_loss[0.1], rel=1e-4)


def test_shares_of_a_split_are_of_what_rows_weigh():
    split = Split(by="row", val_frac=0.2, test_frac=0.3)
    mass = np.array([4, 1, 1, 2, 2])
    assert cut(np.arange(5), np.zeros(5, dtype=int), split, mass).tolist() == [0, 1, 1, 2, 2]
    assert cut(np.arange(5), np.zeros(5, dtype=int), split).tolist() == [0, 0, 0, 1, 2]
    assert cut(np.arange(5), np.zeros(5, dtype=int), split, mass * 0.01).tolist() == [0, 1, 1, 2, 2]


def test_weights_of_rows_arrive_and_rows_of_no_weight_are_left_out(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for month in (1, 2):
        rows = rows_of(month, 300).with_columns(w=pl.Series(np.arange(300) % 4 * 0.5))
        path = Path(f"source/2024-{month:02d}/rows.csv")
        path.parent.mkdir(parents=True)
        rows.write_csv(path)
    write_params(declaration(images=None, columns=[*COLUMNS, {"name": "w", "role": "weight", "dtype": "float"}]))
    run("acquire", "validate", "split", "fit", "encode")
    report = read_json(Path("reports/split.json"))
    assert report["empty"] == 150 and sum(report[name]["rows"] for name in ("train", "val", "test")) == 450
    train = load_split(Path("data/encoded"), "train", load_spec(Path("data/encoded")))
    weights = pl.read_parquet("data/split/train.parquet")["w"].to_numpy()
    np.testing.assert_allclose(train.weight_N, weights / weights.mean())
    np.save("data/encoded/train/weight.npy", np.where(np.arange(len(train)) == 3, np.nan, train.weight_N))
    with pytest.raises(ValueError, match="weight.npy must hold finite numbers above 0 only; run the stage `encode` again"):
        load_split(Path("data/encoded"), "train", load_spec(Path("data/encoded")))
