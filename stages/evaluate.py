"""Stage `evaluate`: scores the test split through the exported model and judges the predictions.

Reads artifacts/export/, data/split/, data/predictions/baselines.parquet and, where it is known,
data/truth/. Writes data/predictions/test.parquet, reports/metrics.json, reports/evaluation.json, reports/plots/.
"""

from __future__ import annotations

if __name__ == "__main__":  # before matplotlib is imported, and all that takes its time
    from contracts.terminal import end_on_ctrl_c

    end_on_ctrl_c()

    from contracts.local_libraries import keep_matplotlib_here

    keep_matplotlib_here()

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from tqdm import tqdm

from contracts.dataset.columns import COLD_START, has_cold_start
from contracts.dataset.declaration import Declaration
from stages.entry import run_stage
from stages.evaluation.bootstrap import Resampler
from stages.evaluation.calibration import calibration_curve
from stages.evaluation.config import EvaluateConfig, check_evaluation
from stages.evaluation.creative_age import creative_age
from stages.evaluation.curves import by_prediction, calibration_table, gain_table, roc_table, slice_table
from stages.evaluation.plots import plot_calibration, plot_ranking, plot_slices
from stages.evaluation.shortfall import shortfall
from stages.evaluation.slices import Slice, auto_slices, build_slice
from stages.evaluation.style import UNITS
from stages.evaluation.summary import MODEL, ORACLE, RIVAL, summarise
from stages.evaluation.truth import match_truth
from stages.files import atomic_folder, read_json, sha256_file, write_json
from stages.parquet import write_parquet
from stages.row_weights import row_weights, weight_names
from stages.scoring.scorer import score_split
from stages.settings import load_section

EXPORT_DIR = Path("artifacts/export")
TRAIN_PATH, TEST_PATH = Path("data/split/train.parquet"), Path("data/split/test.parquet")
TRUTH_DIR = Path("data/truth")
BASELINES_PATH, PREDICTIONS_PATH = Path("data/predictions/baselines.parquet"), Path("data/predictions/test.parquet")
METRICS_PATH, EVALUATION_PATH = Path("reports/metrics.json"), Path("reports/evaluation.json")
PLOTS_DIR = Path("reports/plots")
HEADLINES = ("auc", "log_loss", "normalised_entropy", "ece", "observed_over_predicted")
SHARES = ("learnable_share", "learnable_share_expected")


def main() -> None:
    cfg = load_section("evaluate", EvaluateConfig)
    declaration = load_section("data", Declaration)
    check_evaluation(cfg, declaration)
    test_df = pl.read_parquet(TEST_PATH)
    p_click = score_split(EXPORT_DIR, TEST_PATH)
    write_parquet(PREDICTIONS_PATH, pl.DataFrame({"p_click": p_click}))
    predictions = {MODEL: p_click, **read_baselines(BASELINES_PATH)}
    p_true, truth_note = match_truth(test_df, declaration.key, TRUTH_DIR)
    evaluation, label = judge(cfg, declaration, test_df, predictions, p_true)
    evaluation["truth"] = {"known": p_true is not None, "note": truth_note}
    evaluation["shortfall"] = shortfall(evaluation)
    evaluation["export"] = sha256_file(EXPORT_DIR / "manifest.json")
    evaluation["creative_age"] = by_creative_age(declaration, test_df, label, p_click)
    write_json(EVALUATION_PATH, evaluation)
    write_json(METRICS_PATH, headline_metrics(evaluation))
    shown = predictions if p_true is None else {**predictions, ORACLE: p_true}
    write_plots(PLOTS_DIR, label, shown, evaluation, row_weights(test_df, declaration).mass_N)
    print(summary_line(evaluation))
    if evaluation["shortfall"] is not None:
        print(f"evaluate: {evaluation['shortfall']}")


def judge(
    cfg: EvaluateConfig,
    declaration: Declaration,
    test_df: pl.DataFrame,
    predictions: dict[str, np.ndarray],
    p_true: np.ndarray | None,
) -> tuple[dict[str, Any], np.ndarray]:
    """All that is said about the predictions, and the labels [N] they were compared with."""
    label = read_label(test_df, declaration)
    slices = build_slices(cfg, declaration, test_df)
    resampler = build_resampler(cfg, declaration, test_df)
    num_passes = len(predictions) + (p_true is not None) + len(slices)
    with tqdm(total=num_passes * cfg.num_resamples, desc="bootstrap", unit="draw", mininterval=1, disable=None) as bar:
        evaluation = summarise(label, predictions, p_true, slices, resampler, cfg.num_bins, cfg.confidence, lambda: bar.update())
    evaluation["settings"] = {
        "confidence": cfg.confidence,
        "num_resamples": cfg.num_resamples,
        "resample_by": cfg.resample_by,
        "num_bins": cfg.num_bins,
    }
    evaluation["calibration"] = {
        name: calibration_curve(label, p_click, cfg.num_bins, cfg.confidence, resampler.weights)
        for name, p_click in predictions.items()
    }
    return evaluation, label


def by_creative_age(
    declaration: Declaration, test_df: pl.DataFrame, label: np.ndarray, p_click: np.ndarray
) -> dict[str, Any] | None:
    """What the model is worth on creatives that it knows well, less, and not at all; None if no column names creatives."""
    if declaration.creative is None:
        return None
    name, features = declaration.creative.name, read_json(EXPORT_DIR / "features.json")
    ids = next((field["num_ids"] - field.get("hashed", 0) for field in features["categorical"] if field["name"] == name), None)
    trained = pl.read_parquet(TRAIN_PATH, columns=[name, *weight_names(declaration)])
    weights = (row_weights(test_df, declaration), row_weights(trained, declaration).count_N)
    return creative_age(test_df[name], trained[name], ids, label, p_click, *weights)


def read_label(test_df: pl.DataFrame, declaration: Declaration) -> np.ndarray:
    """Labels 0 and 1 of the test rows, uint8 [N]."""
    label = test_df[declaration.label.name]
    if label.null_count() or not label.cast(pl.Float64).is_in([0.0, 1.0]).all():
        raise ValueError(f"{TEST_PATH}: label '{label.name}' must hold 0 and 1 only; run the stages validate and split")
    return label.cast(pl.UInt8).to_numpy()


def build_slices(cfg: EvaluateConfig, declaration: Declaration, test_df: pl.DataFrame) -> list[Slice]:
    columns = declaration.columns
    names = auto_slices(test_df, columns, cfg.max_slice_values) if cfg.slices == "auto" else cfg.slices
    seen = None
    if COLD_START in names and has_cold_start(columns):
        seen = pl.read_parquet(TRAIN_PATH, columns=[declaration.creative.name]).to_series()
    count_N = row_weights(test_df, declaration).count_N
    return [build_slice(name, test_df, columns, seen, cfg.max_slice_values, count_N) for name in names]


def build_resampler(cfg: EvaluateConfig, declaration: Declaration, test_df: pl.DataFrame) -> Resampler:
    unit, num_units = None, 0
    if cfg.resample_by != "row":
        unit = unit_of(test_df[declaration.by_role(cfg.resample_by)[0].name])
        num_units = int(unit.max()) + 1
    return Resampler(
        num_rows=test_df.height,
        num_resamples=cfg.num_resamples,
        seed=cfg.seed,
        num_threads=cfg.num_threads,
        unit=unit,
        num_units=num_units,
        unit_name=UNITS[cfg.resample_by],
        weights=row_weights(test_df, declaration),
    )


def unit_of(column: pl.Series) -> np.ndarray:
    """A number from 0 for each value, int64 [N]; a row without a value is a unit of its own: nobody knows whose it is."""
    number = column.rank("dense").cast(pl.Int64) - 1
    num_known = (number.max() if number.count() else -1) + 1
    return number.fill_null(num_known + column.is_null().cum_sum().cast(pl.Int64) - 1).to_numpy()


def read_baselines(path: Path) -> dict[str, np.ndarray]:
    """Predictions of each baseline, float64 [N]; a column of nulls is a baseline this data set does not have."""
    df = pl.read_parquet(path)
    return {name: df[name].to_numpy() for name in df.columns if df[name].null_count() == 0}


def headline_metrics(evaluation: dict[str, Any]) -> dict[str, float]:
    """The few numbers that `dvc metrics` shows; what is undefined is left out, its reason is in evaluation.json."""
    model = evaluation["models"][MODEL]
    values = {name: model[name]["value"] for name in (*HEADLINES, *SHARES) if name in model}
    if RIVAL in evaluation["differences"]:
        for name in ("auc", "log_loss"):
            values[f"{name}_minus_{RIVAL}"] = evaluation["differences"][RIVAL][name]["value"]
    return {name: value for name, value in values.items() if value is not None}


def write_plots(
    folder: Path, label: np.ndarray, predictions: dict[str, np.ndarray], evaluation: dict[str, Any], mass: np.ndarray
) -> None:
    """Tables for DVC and figures for people, all in `folder`, which is replaced as a whole."""
    ranked = {name: p_click for name, p_click in predictions.items() if name != "constant"}
    aucs = {name: evaluation["models"][name]["auc"]["value"] for name in ranked}
    curves, slices = evaluation["calibration"], evaluation["slices"]
    roc, gain = roc_table(label, ranked, mass), gain_table(label, ranked, mass)
    with atomic_folder(folder) as partial:
        by_prediction(roc, "true_positive_rate").write_csv(partial / "roc.csv")
        by_prediction(gain, "share_of_clicks").write_csv(partial / "gain.csv")
        drawn = {name: curve for name, curve in curves.items() if name != "constant"}  # a constant has one bin
        calibration_table(drawn).write_csv(partial / "calibration.csv")
        counts = {key: evaluation[key] for key in ("rows", "clicks", "ctr")}
        slice_table(slices, counts | evaluation["models"][MODEL]).write_csv(partial / "slices.csv")
        plot_calibration(curves, partial / "calibration.png")
        plot_ranking(roc, gain, aucs, partial / "ranking.png")
        plot_slices(slices, evaluation["models"][MODEL], partial / "slices.png")


def summary_line(evaluation: dict[str, Any]) -> str:
    def shown(name: str, digits: int) -> str:
        estimate = evaluation["models"][MODEL].get(name, {"value": None})
        if estimate["value"] is None:
            return "undefined"
        if estimate["low"] is None:
            return f"{estimate['value']:.{digits}f}"
        return f"{estimate['value']:.{digits}f} [{estimate['low']:.{digits}f}, {estimate['high']:.{digits}f}]"

    parts = [f"{evaluation['rows']:,} test rows, {evaluation['clicks']:,} clicks", f"AUC {shown('auc', 4)}"]
    parts += [f"log-loss {shown('log_loss', 5)}", f"observed/predicted {shown('observed_over_predicted', 3)}"]
    if evaluation["truth"]["known"]:
        parts.append(f"learnable share {shown('learnable_share', 3)}")
    return f"evaluate: {'; '.join(parts)}"


if __name__ == "__main__":
    run_stage(main)
