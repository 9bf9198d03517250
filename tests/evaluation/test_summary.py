"""The whole summary on small arrays: values, sums, nulls with reasons, coverage."""

import json

import numpy as np
import pytest
from sklearn import metrics as sk

from stages.evaluation.bootstrap import Resampler
from stages.evaluation.slices import Slice
from stages.evaluation.summary import summarise


def world(num_rows: int, seed: int, base: float = -3.0) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    score = rng.normal(base, 1.0, num_rows)
    p_true = 1 / (1 + np.exp(-score))
    label = (rng.random(num_rows) < p_true).astype(np.uint8)
    model = 1 / (1 + np.exp(-(score + rng.normal(0, 0.3, num_rows))))
    rival = 1 / (1 + np.exp(-(score + rng.normal(0, 0.8, num_rows))))
    return {"label": label, "p_true": p_true, "model": model.astype(np.float32), "lightgbm": rival}


def run(data: dict[str, np.ndarray], slices: list[Slice] | None = None, truth: bool = True, **changes: int) -> dict:
    num_rows = len(data["label"])
    settings = {"num_rows": num_rows, "num_resamples": 200, "seed": 0, "num_threads": 1} | changes
    predictions = {"model": data["model"], "constant": np.full(num_rows, 0.06)}
    predictions |= {name: data[name] for name in ("lightgbm",) if name in data}
    p_true = data["p_true"] if truth else None
    return summarise(data["label"], predictions, p_true, slices or [], Resampler(**settings), 10, 0.95)


def test_point_values_equal_scikit_learn() -> None:
    data = world(5000, 0)
    result = run(data)
    for name in ("model", "lightgbm"):
        found = result["models"][name]
        assert found["auc"]["value"] == pytest.approx(sk.roc_auc_score(data["label"], data[name]), abs=1e-6)
        assert found["log_loss"]["value"] == pytest.approx(sk.log_loss(data["label"], data[name]), abs=1e-6)
    assert result["clicks"] == data["label"].sum()


def test_differences_are_differences_of_the_values_and_prove_the_better_model() -> None:
    result = run(world(20_000, 1))
    gap = result["differences"]["lightgbm"]
    for metric in ("auc", "log_loss"):
        model, rival = (result["models"][name][metric]["value"] for name in ("model", "lightgbm"))
        assert gap[metric]["value"] == pytest.approx(model - rival, abs=2e-7)
    assert gap["auc"]["low"] > 0
    assert gap["log_loss"]["high"] < 0


def test_learnable_share_is_one_for_the_oracle_zero_for_the_constant_and_between_for_the_model() -> None:
    models = run(world(20_000, 2))["models"]
    assert models["oracle"]["learnable_share"]["value"] == 1.0
    assert models["constant"]["learnable_share"]["value"] == 0.0
    loss = {name: models[name]["log_loss"]["value"] for name in ("model", "constant", "oracle")}
    by_hand = 1 - (loss["model"] - loss["oracle"]) / (loss["constant"] - loss["oracle"])
    assert models["model"]["learnable_share"]["value"] == pytest.approx(by_hand, abs=1e-4)
    wide, narrow = models["model"]["learnable_share"], models["model"]["learnable_share_expected"]
    assert narrow["high"] - narrow["low"] < wide["high"] - wide["low"]


def test_without_truth_there_is_no_oracle_and_no_share() -> None:
    result = run(world(2000, 3), truth=False)
    assert "oracle" not in result["models"]
    assert "learnable_share" not in result["models"]["model"]


def test_slices_add_up_to_all_rows_and_clicks() -> None:
    data = world(3000, 4)
    codes = np.random.default_rng(0).integers(0, 4, 3000).astype(np.int32)
    result = run(data, [Slice(name="device", codes=codes, values=("a", "b", "c", "d"))])
    values = result["slices"]["device"]
    assert sum(one["rows"] for one in values) == 3000
    assert sum(one["clicks"] for one in values) == result["clicks"]
    rows = codes == 2
    assert values[2]["auc"]["value"] == pytest.approx(sk.roc_auc_score(data["label"][rows], data["model"][rows]), abs=1e-6)
    loss = sk.log_loss(data["label"][rows], data["model"][rows]) - sk.log_loss(data["label"][rows], data["lightgbm"][rows])
    assert values[2]["log_loss_minus_lightgbm"]["value"] == pytest.approx(loss, abs=1e-6)


def test_a_slice_rests_on_its_own_users_where_users_are_drawn() -> None:
    data = world(4000, 8, base=-1.0)
    user = np.arange(4000) % 400
    slices = [Slice(name="device", codes=(user >= 4).astype(np.int32), values=("few", "many"))]
    few, many = run(data, slices, unit=user, num_units=400, unit_name="users")["slices"]["device"]
    assert few["auc"]["high"] - few["auc"]["low"] > 0.4
    for metric in ("normalised_entropy", "observed_over_predicted", "log_loss_minus_lightgbm"):
        assert few[metric]["reason"] == "no interval: 4 users, at least 10 are needed"
        assert many[metric]["low"] < many[metric]["high"]


def test_learnable_share_of_a_slice_is_that_of_its_rows() -> None:
    data = world(4000, 7)
    rows = np.arange(4000) < 1500
    slices = [Slice(name="half", codes=(~rows).astype(np.int32), values=("first", "second"))]
    found = run(data, slices)["slices"]["half"][0]["learnable_share_expected"]
    alone = run({name: values[rows] for name, values in data.items()})["models"]["model"]["learnable_share_expected"]
    assert found["value"] == pytest.approx(alone["value"], abs=1e-6)
    assert found["low"] < found["value"] < found["high"]
    assert "learnable_share_expected" not in run(data, slices, truth=False)["slices"]["half"][0]


def test_slice_without_clicks_is_null_with_a_reason_and_still_json() -> None:
    data = world(2000, 5)
    codes = np.where(np.flatnonzero(data["label"] == 0)[:40].max() >= np.arange(2000), 0, 1)
    codes = np.where((data["label"] == 0) & (codes == 0), 0, 1).astype(np.int32)
    empty = run(data, [Slice(name="site", codes=codes, values=("quiet", "rest"))])["slices"]["site"][0]
    assert empty["clicks"] == 0
    assert empty["auc"]["value"] is None
    assert empty["auc"]["reason"] == "undefined: 0 clicks among these rows"
    assert empty["normalised_entropy"]["value"] is None
    assert empty["observed_over_predicted"]["high"] > 0
    json.dumps(empty, allow_nan=False)


def test_no_clicks_at_all_is_a_summary_full_of_reasons_and_no_crash() -> None:
    data = world(500, 6)
    data["label"] = np.zeros(500, dtype=np.uint8)
    result = run(data)
    assert result["models"]["model"]["auc"]["value"] is None
    assert result["models"]["model"]["log_loss"]["low"] is None
    json.dumps(result, allow_nan=False)


def test_a_hundred_clicks_give_a_much_wider_interval_than_ten_thousand() -> None:
    def width(num_rows: int) -> float:
        one = run(world(num_rows, 7), num_resamples=100)["models"]["model"]["auc"]
        return one["high"] - one["low"]

    assert width(1500) > 6 * width(150_000)


@pytest.mark.parametrize(("worlds", "least"), [(40, 0.85), pytest.param(400, 0.92, marks=pytest.mark.slow)])
def test_intervals_hold_the_truth_about_as_often_as_they_say(worlds: int, least: float) -> None:
    def without_rival(num_rows: int, seed: int) -> dict[str, np.ndarray]:
        return {name: values for name, values in world(num_rows, seed).items() if name != "lightgbm"}

    big = without_rival(400_000, 99)
    true_auc = sk.roc_auc_score(big["label"], big["model"])
    true_loss = sk.log_loss(big["label"], big["model"])
    covered = {"auc": 0, "log_loss": 0, "learnable_share": 0, "observed_over_predicted": 0}
    big_result = run(big, num_resamples=10)["models"]["model"]
    truth = {"auc": true_auc, "log_loss": true_loss}
    truth |= {key: big_result[key]["value"] for key in ("learnable_share", "observed_over_predicted")}
    for seed in range(worlds):
        found = run(without_rival(1500, 1000 + seed), num_resamples=150)["models"]["model"]
        for key in covered:
            covered[key] += found[key]["low"] <= truth[key] <= found[key]["high"]
    for key, times in covered.items():
        assert least <= times / worlds, f"{key} covered {times} of {worlds}"
