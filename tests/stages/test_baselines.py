"""Baselines: rates by hand, no row sees its own label, the same bytes twice."""

import json
import os
import platform
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from pydantic import TypeAdapter
from scipy import sparse
from sklearn.linear_model import LogisticRegression

from stages import baselines
from stages.baseline_models.columns import list_fields
from stages.baseline_models.lists import list_columns
from stages.baseline_models.rates import NUM_FOLDS, RateTable, fit_rates, forward_features, out_of_fold_features
from stages.evaluation.config import BaselinesConfig
from stages.evaluation.metrics import log_loss
from stages.models import penalised_logistic
from stages.models.encoded_arrays import EncodedSpec, EncodedSplit
from stages.models.list_fields import ListFields
from stages.models.penalised_logistic import one_hot
from tests.stages.evaluated_world import write_world
from tests.stages.pipeline_world import composed

IDS = np.array([1, 1, 2, 1, 2, 0])
LABEL = np.array([1, 0, 1, 1, 0, 0], dtype=np.uint8)
TABLE = RateTable(rows=np.array([1.0, 3, 2]), clicks=np.array([0.0, 2, 1]), prior=0.5, strength=2.0)


def test_smoothed_rate_is_the_posterior_mean() -> None:
    np.testing.assert_allclose(TABLE.rate(np.array([0, 1, 2])), [(0 + 1) / 3, (2 + 1) / 5, (1 + 1) / 4])


def test_strength_is_the_one_that_predicts_val_best() -> None:
    rng = np.random.default_rng(0)
    ids = rng.integers(0, 50, 4000)
    label = (rng.random(4000) < 0.2).astype(np.uint8)  # ids mean nothing: the strongest prior must win
    table, loss = fit_rates(ids, label, ids[::-1], label, [1.0, 10.0, 1000.0])
    assert table.strength == 1000.0
    assert loss == pytest.approx(log_loss(label, table.rate(ids[::-1])))


def test_forward_rates_use_earlier_rows_only() -> None:
    rate, log_rows = forward_features(IDS, LABEL, TABLE)
    np.testing.assert_allclose(rate, [1 / 2, 2 / 3, 1 / 2, 2 / 4, 2 / 3, 1 / 2])
    np.testing.assert_allclose(log_rows, np.log1p([0, 1, 0, 2, 1, 0]))


def test_neither_way_lets_a_row_see_its_own_label() -> None:
    rng = np.random.default_rng(1)
    ids, label = rng.integers(0, 4, 200), rng.integers(0, 2, 200).astype(np.uint8)
    for way in (forward_features, out_of_fold_features):
        for row in (0, 77, 199):
            flipped = label.copy()
            flipped[row] = 1 - flipped[row]
            rates = [
                way(
                    ids,
                    one,
                    RateTable(rows=np.bincount(ids) * 1.0, clicks=np.bincount(ids, one), prior=0.5, strength=3.0),
                )[0]
                for one in (label, flipped)
            ]
            assert rates[0][row] == rates[1][row]


def test_one_hot_has_a_one_for_each_id_and_the_dense_columns_behind() -> None:
    spec = EncodedSpec(
        field_names=("a", "b"),
        num_ids=(3, 2),
        dense_names=("x",),
        numbers=(),
        has_creative=False,
        creative_field=None,
        num_creatives=0,
        image_size=0,
    )
    split = EncodedSplit(
        cat_idx_NF=np.array([[2, 0], [0, 1]], dtype=np.int32),
        num_feats_NM=np.array([[0.5], [-1.0]], dtype=np.float32),
        creative_idx_N=None,
        label_N=np.array([0, 1], dtype=np.uint8),
    )
    np.testing.assert_array_equal(one_hot(split, spec).toarray(), [[0, 0, 1, 1, 0, 0.5], [1, 0, 0, 0, 1, -1.0]])


def test_stage_writes_all_columns_that_beat_the_constant_and_the_same_bytes_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_world(tmp_path)
    monkeypatch.chdir(tmp_path)
    baselines.main()
    first = [path.read_bytes() for path in (baselines.PREDICTIONS_PATH, baselines.REPORT_PATH)]
    baselines.main()
    assert first == [path.read_bytes() for path in (baselines.PREDICTIONS_PATH, baselines.REPORT_PATH)]
    df = pl.read_parquet(baselines.PREDICTIONS_PATH)
    assert df.schema == dict.fromkeys(["constant", "creative_rate", "logistic", "lightgbm"], pl.Float64)
    label = np.load("data/encoded/test/label.npy")
    loss = {name: log_loss(label, df[name].to_numpy()) for name in df.columns}
    assert df["constant"].unique().to_list() == [np.load("data/encoded/train/label.npy").mean()]
    assert max(loss["creative_rate"], loss["logistic"], loss["lightgbm"]) < loss["constant"] - 0.01
    report = json.loads(baselines.REPORT_PATH.read_text())
    assert report["creative_rate"]["column"] == "banner"
    assert report["lightgbm"]["as_rates"].keys() == {"banner"}
    assert report["lightgbm"]["as_categories"] == ["device"]
    assert "rates by banner" in capsys.readouterr().out.splitlines()[-1]


@pytest.mark.skipif(platform.machine() != "x86_64", reason="the kernels named here are those of x86-64")
def test_outputs_do_not_depend_on_the_processor_that_numpys_library_is_made_for(tmp_path: Path) -> None:
    write_world(tmp_path)
    found = set()
    for kernel in ("Prescott", "Nehalem"):  # of OpenBLAS; every x86-64 processor runs both
        environment = os.environ | {"OPENBLAS_CORETYPE": kernel, "PYTHONPATH": str(Path(__file__).parents[2])}
        subprocess.run([sys.executable, "-m", "stages.baselines"], cwd=tmp_path, env=environment, check=True, capture_output=True)
        found.add((tmp_path / baselines.PREDICTIONS_PATH).read_bytes() + (tmp_path / baselines.REPORT_PATH).read_bytes())
    assert len(found) == 1


def test_logistic_equals_scikit_learns_other_solver(tmp_path: Path) -> None:
    write_world(tmp_path)
    spec = baselines.load_spec(tmp_path / "data/encoded")
    splits = {name: baselines.load_split(tmp_path / "data/encoded", name, spec) for name in baselines.SPLITS}
    p_test, report = baselines.fit_logistic(splits, spec, [0.1, 1.0], 500, seed=0)
    c = float(report["kept"].removeprefix("C="))
    with_tens = {name: sparse.hstack([one_hot(split, spec), np.full((len(split), 1), 10.0)]) for name, split in splits.items()}
    other = LogisticRegression(C=c, tol=1e-8, max_iter=5000, fit_intercept=False).fit(with_tens["train"], splits["train"].label_N)
    np.testing.assert_allclose(p_test, other.predict_proba(with_tens["test"])[:, 1], atol=1e-3)


def test_more_entries_than_32_bits_count_take_the_other_solver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_world(tmp_path)
    spec = baselines.load_spec(tmp_path / "data/encoded")
    splits = {name: baselines.load_split(tmp_path / "data/encoded", name, spec) for name in baselines.SPLITS}
    expected, _ = baselines.fit_logistic(splits, spec, [0.1], 500, seed=0)

    def as_of_large_tables(split: EncodedSplit, spec: EncodedSpec) -> sparse.csr_matrix:
        found = one_hot(split, spec)
        found.indices, found.indptr = found.indices.astype(np.int64), found.indptr.astype(np.int64)
        return found

    monkeypatch.setattr(penalised_logistic, "one_hot", as_of_large_tables)
    p_test, _ = baselines.fit_logistic(splits, spec, [0.1], 500, seed=0)
    assert 0 < np.abs(p_test - expected).max() < 2e-3


def test_without_creatives_the_most_telling_column_gives_the_rates_and_the_report_says_so(tmp_path: Path) -> None:
    write_world(tmp_path, creative=False)
    spec = baselines.load_spec(tmp_path / "data/encoded")
    splits = {name: baselines.load_split(tmp_path / "data/encoded", name, spec) for name in baselines.SPLITS}
    cfg = baselines.load_section("baselines", baselines.BaselinesConfig, tmp_path / "params.yaml")
    p_test, report = baselines.rate_baseline(splits, spec, cfg, None)
    assert report["column"] == "device"
    assert "no creative" in report["reason"]
    train, test = splits["train"], splits["test"]
    phone, strength = train.cat_idx_NF[:, 0] == 2, report["prior_impressions"]
    by_hand = (train.label_N[phone].sum() + strength * train.label_N.mean()) / (phone.sum() + strength)
    np.testing.assert_allclose(p_test[test.cat_idx_NF[:, 0] == 2], by_hand)


def test_new_creatives_get_the_prior(tmp_path: Path) -> None:
    write_world(tmp_path)
    spec = baselines.load_spec(tmp_path / "data/encoded")
    splits = {name: baselines.load_split(tmp_path / "data/encoded", name, spec) for name in baselines.SPLITS}
    cfg = baselines.load_section("baselines", baselines.BaselinesConfig, tmp_path / "params.yaml")
    p_test, _ = baselines.rate_baseline(splits, spec, cfg, "banner")
    new = splits["test"].creative_idx_N > 30
    assert new.sum() > 100
    np.testing.assert_allclose(p_test[new], splits["train"].label_N.mean())


def test_training_rows_of_one_class_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_world(tmp_path)
    np.save(tmp_path / "data/encoded/train/label.npy", np.zeros(3000, dtype=np.uint8))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match="must hold clicked and unclicked impressions, got 3,000 rows all labelled 0"):
        baselines.main()


def listed_splits(num_rows: int = 60) -> tuple[EncodedSpec, dict[str, EncodedSplit]]:
    """Rows with two columns of several values: of three ids, and of forty."""
    few = ListFields(name="few", role="set", fields=(1, 2), pool="mean", vocabulary=None, target=None)
    many = ListFields(name="many", role="sequence", fields=(3, 4), pool="mean", vocabulary=None, target=None)
    spec = EncodedSpec(
        field_names=("a", "few[0]", "few[1]", "many[0]", "many[1]"), num_ids=(5, 5, 5, 40, 40), dense_names=(), numbers=(),
        has_creative=False, creative_field=None, num_creatives=0, image_size=0, lists=(few, many),
    )  # fmt: skip
    rng = np.random.default_rng(6)
    splits = {}
    for name in ("train", "val", "test"):
        ids = np.stack([rng.integers(0, size, num_rows) for size in spec.num_ids], axis=1).astype(np.int32)
        splits[name] = EncodedSplit(
            cat_idx_NF=ids, num_feats_NM=np.zeros((num_rows, 0), np.float32), creative_idx_N=None,
            label_N=rng.integers(0, 2, num_rows).astype(np.uint8),
        )  # fmt: skip
    return spec, splits


def test_trees_see_how_many_values_there_are_which_and_how_they_were_clicked() -> None:
    spec, splits = listed_splits()
    train, test = splits["train"], splits["test"]
    found = list_columns(test, train, spec, strength=10.0, most_ids=5)
    assert found.shape == (60, 1 + 3 + 1 + 1)
    prior = train.label_N.mean()
    for row, ids in zip(found, test.cat_idx_NF, strict=True):
        few, many = [v for v in ids[1:3] if v != 1], [v for v in ids[3:] if v != 1]
        assert row[:4].tolist() == [len(few), few.count(2), few.count(3), few.count(4)]
        rates = []
        for value in many:
            is_it = train.cat_idx_NF[:, 3:] == value
            rates.append(((is_it * train.label_N[:, None]).sum() + 10 * prior) / (is_it.sum() + 10))
        assert row[4] == len(many)
        np.testing.assert_allclose(row[5], np.mean(rates) if rates else prior, rtol=1e-6)


@pytest.mark.parametrize("name", ["train", "test"])
def test_a_row_that_counts_three_is_three_rows_to_the_trees(name: str) -> None:
    spec, splits = listed_splits()
    count_N = np.random.default_rng(8).integers(1, 4, 60)
    weighted = {key: replace(split, weight_N=count_N.astype(np.float64)) for key, split in splits.items()}
    fold_N = np.arange(60) % NUM_FOLDS  # copies of a row go to the fold of the row
    repeated = splits["train"].taken(np.repeat(np.arange(60), count_N))
    found = list_columns(weighted[name], weighted["train"], spec, strength=10.0, most_ids=5)
    if name == "test":
        np.testing.assert_allclose(found, list_columns(splits["test"], repeated, spec, strength=10.0, most_ids=5), rtol=1e-6)
        return
    for fold in range(NUM_FOLDS):
        others = np.repeat(np.flatnonzero(fold_N != fold), count_N[fold_N != fold])
        train, mine = splits["train"].taken(others), splits["train"].taken(np.flatnonzero(fold_N == fold))
        prior = repeated.label_N.mean()
        for row, ids in zip(found[fold_N == fold], mine.cat_idx_NF, strict=True):
            rates = []
            for value in (v for v in ids[3:] if v != 1):
                is_it = train.cat_idx_NF[:, 3:] == value
                rates.append(((is_it * train.label_N[:, None]).sum() + 10 * prior) / (is_it.sum() + 10))
            np.testing.assert_allclose(row[5], np.mean(rates) if rates else prior, rtol=1e-6)


def test_rates_of_values_do_not_let_a_row_see_its_own_label() -> None:
    spec, splits = listed_splits()
    train = splits["train"]
    balanced = np.arange(60) % 2  # flipping two labels leaves the mean as it is
    for row in (0, 7, 58):
        rates = []
        for own in (0, 1):
            label = balanced.copy().astype(np.uint8)
            label[row], label[(row + 5) % 60] = own, 1 - own  # both in one fold
            changed = replace(train, label_N=label)
            rates.append(list_columns(changed, changed, spec, strength=10.0, most_ids=5)[row, 5])
        assert rates[0] == rates[1]


def test_slots_are_no_fields_of_their_own() -> None:
    spec, splits = listed_splits(400)
    assert [field.name for field in list_fields(spec)] == ["a"]
    cfg = TypeAdapter(BaselinesConfig).validate_python(composed("baselines.lightgbm_max_trees=5")["baselines"])
    predictions, report = baselines.predict_baselines(splits, spec, cfg, None)
    assert report["lightgbm"]["lists"] == ["few", "many"] and report["creative_rate"]["column"] == "a"
    assert predictions["lightgbm"].n_unique() > 1 and predictions["logistic"].is_finite().all()
