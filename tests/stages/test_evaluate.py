"""Stage evaluate, end to end on a tiny project; the exported model is replaced by fixed predictions."""

import hashlib
import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import yaml
from sklearn.metrics import roc_auc_score

from stages import evaluate
from tests.stages.evaluated_world import SIZES, params, write_world


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Write a project folder and run the stage in it; returns the predictions it judged."""

    def run_stage(**world: object) -> np.ndarray:
        p_click = write_world(tmp_path, **world)
        baseline = {"constant": np.full(len(p_click), 0.15), "creative_rate": None, "logistic": p_click[::-1]}
        df = pl.DataFrame(baseline | {"lightgbm": p_click * 0.8}, schema_overrides={"creative_rate": pl.Float64})
        (tmp_path / "data/predictions").mkdir(exist_ok=True)
        df.write_parquet(tmp_path / "data/predictions/baselines.parquet")
        monkeypatch.setattr(evaluate, "score_split", lambda *_: p_click)
        monkeypatch.chdir(tmp_path)
        evaluate.main()
        return p_click

    return run_stage


def test_metrics_are_flat_numbers_and_equal_scikit_learn(run, capsys: pytest.CaptureFixture[str]) -> None:
    p_click = run()
    metrics = json.loads(evaluate.METRICS_PATH.read_text())
    label = pl.read_parquet(evaluate.TEST_PATH)["clicked"].to_numpy()
    assert metrics["auc"] == pytest.approx(roc_auc_score(label, p_click), abs=1e-6)
    assert metrics["observed_over_predicted"] == pytest.approx(label.sum() / p_click.sum(), abs=1e-5)
    assert metrics["auc_minus_lightgbm"] == 0.0
    assert 0.5 < metrics["learnable_share"] < 1.0
    assert all(isinstance(value, float) for value in metrics.values())
    np.testing.assert_array_equal(pl.read_parquet(evaluate.PREDICTIONS_PATH)["p_click"], p_click)
    assert "evaluate: 1,200 test rows" in capsys.readouterr().out.splitlines()[-1]


def test_evaluation_has_slices_that_add_up_and_the_baselines_that_exist(run) -> None:
    run()
    evaluation = json.loads(evaluate.EVALUATION_PATH.read_text())
    assert evaluation["slices"].keys() == {"device", "cold_start"}
    for values in evaluation["slices"].values():
        assert sum(one["rows"] for one in values) == SIZES["test"]
    assert [one["value"] for one in evaluation["slices"]["cold_start"]] == ["creative seen in training", "creative new"]
    assert evaluation["models"].keys() == {"model", "constant", "logistic", "lightgbm", "oracle"}


def test_evaluation_names_its_export_and_judges_creatives_by_how_well_they_are_known(run) -> None:
    p_click = run()
    evaluation = json.loads(evaluate.EVALUATION_PATH.read_text())
    assert evaluation["export"] == hashlib.sha256(Path("artifacts/export/manifest.json").read_bytes()).hexdigest()
    found = evaluation["creative_age"]
    test = pl.read_parquet(evaluate.TEST_PATH)
    new = (test["banner"].str.slice(1).cast(pl.Int64) >= 30).to_numpy()
    assert (found["unknown"]["rows"], found["known"]["rows"]) == (new.sum(), (~new).sum())
    assert found["unknown"]["observed"] == pytest.approx(test["clicked"].to_numpy()[new].mean(), abs=1e-7)
    assert found["unknown"]["predicted"] == pytest.approx(p_click[new].mean(), abs=1e-6)
    classes = [found[f"quintile {place}"] for place in range(1, 6)]
    assert sum(one["rows"] for one in classes) == found["known"]["rows"]
    assert [one["ids"][0] for one in classes] == [one["ids"][1] + 1 for one in classes[1:]] + [2] and classes[0]["ids"][1] == 31


def test_every_slice_has_its_log_loss(run) -> None:
    p_click = run()
    label = pl.read_parquet(evaluate.TEST_PATH)["clicked"].to_numpy()
    p = p_click.astype(float)
    loss = -np.where(label == 1, np.log(p), np.log1p(-p)).mean()
    for values in json.loads(evaluate.EVALUATION_PATH.read_text())["slices"].values():
        assert sum(one["rows"] * one["log_loss"] for one in values) / SIZES["test"] == pytest.approx(loss, abs=1e-6)
        own = sum(one["rows"] * one["predicted_log_loss"] for one in values) / SIZES["test"]
        assert own == pytest.approx(-(p * np.log(p) + (1 - p) * np.log1p(-p)).mean(), abs=1e-6)


def test_without_creatives_there_are_no_classes_of_them(run) -> None:
    run(creative=False)
    assert json.loads(evaluate.EVALUATION_PATH.read_text())["creative_age"] is None


def test_two_runs_write_the_same_bytes(run) -> None:
    def written() -> dict[str, bytes]:
        paths = [
            evaluate.METRICS_PATH,
            evaluate.EVALUATION_PATH,
            evaluate.PREDICTIONS_PATH,
            *evaluate.PLOTS_DIR.iterdir(),
        ]
        return {str(path): path.read_bytes() for path in paths}

    run()
    first = written()
    evaluate.main()
    assert written() == first
    names = {path.name for path in evaluate.PLOTS_DIR.iterdir()}
    assert {
        "roc.csv",
        "gain.csv",
        "slices.csv",
        "calibration.csv",
        "calibration.png",
        "ranking.png",
        "slices.png",
    } <= names


def test_without_truth_and_without_creatives_it_runs_and_says_so(run) -> None:
    run(creative=False, truth=False)
    evaluation = json.loads(evaluate.EVALUATION_PATH.read_text())
    assert evaluation["truth"] == {
        "known": False,
        "note": "The true click probabilities of this data set are not known.",
    }
    assert evaluation["slices"].keys() == {"device"}
    assert "learnable_share" not in json.loads(evaluate.METRICS_PATH.read_text())


def test_drawing_by_creative_widens_the_interval(run, tmp_path: Path) -> None:
    def width(resample_by: str) -> float:
        (tmp_path / "params.yaml").write_text(yaml.safe_dump(params(resample_by=resample_by)))
        evaluate.main()
        ratio = json.loads(evaluate.EVALUATION_PATH.read_text())["models"]["constant"]["observed_over_predicted"]
        return ratio["high"] - ratio["low"]

    run()
    assert width("creative") > 1.5 * width("row")


def test_unknown_slice_is_an_error_before_anything_is_scored(run, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="names 'devise', by which rows cannot be sliced; allowed: device, age, banner, cold"):
        run(slices=["device", "devise"])
    assert not (tmp_path / "data/predictions/test.parquet").exists()


def test_resampling_by_a_role_that_no_column_has_is_an_error(run) -> None:
    with pytest.raises(ValueError, match="resample_by is entity, but no column of data set tiny has that role"):
        run(resample_by="entity")


def test_labels_other_than_zero_and_one_are_refused(tmp_path: Path) -> None:
    write_world(tmp_path)
    declaration = evaluate.load_section("data", evaluate.Declaration, tmp_path / "params.yaml")
    with pytest.raises(ValueError, match="label 'clicked' must hold 0 and 1 only"):
        evaluate.read_label(pl.DataFrame({"clicked": [0, 2]}), declaration)
