"""Stage `baselines`: simple and strong reference models on the model's columns, without pixels.

Reads data/encoded/. Writes data/predictions/baselines.parquet, one row a test row, and reports/baselines.json.
"""

from __future__ import annotations

if __name__ == "__main__":  # before the imports below, which take their time
    from contracts.terminal import end_on_ctrl_c

    end_on_ctrl_c()

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from threadpoolctl import threadpool_limits

from contracts.dataset.declaration import Declaration
from stages.baseline_models.boosted_trees import fit_boosted_trees
from stages.baseline_models.columns import Field, ids_of, list_fields
from stages.baseline_models.logistic import fit_logistic
from stages.baseline_models.rates import fit_rates
from stages.entry import run_stage
from stages.evaluation.config import BaselinesConfig
from stages.files import write_json
from stages.models.encoded_arrays import EncodedSpec, EncodedSplit, load_spec, load_split
from stages.parquet import write_parquet
from stages.settings import load_section

ENCODED_DIR = Path("data/encoded")
PREDICTIONS_PATH, REPORT_PATH = Path("data/predictions/baselines.parquet"), Path("reports/baselines.json")
SPLITS = ("train", "val", "test")


def main() -> None:
    cfg = load_section("baselines", BaselinesConfig)
    creative = load_section("data", Declaration).creative
    spec = load_spec(ENCODED_DIR)
    splits = {name: load_split(ENCODED_DIR, name, spec) for name in SPLITS}
    predictions, report = predict_baselines(splits, spec, cfg, None if creative is None else creative.name)
    write_parquet(PREDICTIONS_PATH, predictions)
    write_json(REPORT_PATH, report)
    print(
        f"baselines: {predictions.height:,} test rows; rates by {report['creative_rate']['column']}, "
        f"logistic {report['logistic']['kept']}, LightGBM {report['lightgbm']['kept']} "
        f"({report['lightgbm']['num_trees']} trees)"
    )


def predict_baselines(
    splits: dict[str, EncodedSplit], spec: EncodedSpec, cfg: BaselinesConfig, creative: str | None
) -> tuple[pl.DataFrame, dict[str, Any]]:
    """p_click of each baseline for the test rows, float64 columns, and a report of what each one is.

    Raises ValueError if the training rows do not hold both labels.
    """
    label = splits["train"].label_N
    if label.min() == label.max():
        raise ValueError(
            f"training rows must hold clicked and unclicked impressions, got {len(label):,} rows all labelled "
            f"{int(label[0])}; use more data or an earlier split"
        )
    weight = splits["train"].weight_N
    prior = float(label.mean() if weight is None else np.average(label, weights=weight))
    creative_rate, rate_report = rate_baseline(splits, spec, cfg, creative)
    with ThreadPoolExecutor(cfg.num_threads) as pool, threadpool_limits(1, user_api="blas"):
        regression = pool.submit(fit_logistic, splits, spec, cfg.logistic_c, cfg.logistic_max_iter, cfg.seed)
        lightgbm, lightgbm_report = fit_boosted_trees(splits, spec, cfg, pool)
        logistic, logistic_report = regression.result()
    columns = {
        "constant": np.full(len(splits["test"]), prior),
        "creative_rate": creative_rate,
        "logistic": logistic,
        "lightgbm": lightgbm,
    }
    report = {
        "constant": {"train_click_rate": round(prior, 7)},
        "creative_rate": rate_report,
        "logistic": logistic_report,
        "lightgbm": lightgbm_report,
    }
    return pl.DataFrame(columns, schema=dict.fromkeys(columns, pl.Float64)), report


def rate_baseline(
    splits: dict[str, EncodedSplit], spec: EncodedSpec, cfg: BaselinesConfig, creative: str | None
) -> tuple[np.ndarray | None, dict[str, Any]]:
    """Smoothed rate of each test row's creative; without creatives, of the column whose rates predict val best.

    None, and a report that says so, for a data set without any categorical column.
    """
    field = next((field for field in list_fields(spec) if field.name == creative), None)
    name, reason = creative, "the creative shown"
    if not spec.has_creative and field is None:
        field = most_telling_field(splits, spec, cfg)
        if field is None:
            return None, {"column": None, "reason": "no categorical column"}
        name = field.name
        reason = "no creative in this data set; the column whose smoothed rates have the lowest log-loss on val"
    if spec.has_creative:
        ids = {split: splits[split].creative_idx_N for split in SPLITS}
    else:
        ids = {split: ids_of(splits[split].cat_idx_NF, field) for split in SPLITS}
    train, val = splits["train"], splits["val"]
    weights = (train.weight_N, val.weight_N)
    table, loss = fit_rates(ids["train"], train.label_N, ids["val"], val.label_N, cfg.prior_impressions, *weights)
    known = ids["test"] < table.rows.shape[0]
    p_test = np.where(known, table.rate(np.where(known, ids["test"], 0)), table.prior)
    report = {"prior_impressions": table.strength, "val_log_loss": round(loss, 7)}
    return p_test, {"column": name, "reason": reason, **report}


def most_telling_field(splits: dict[str, EncodedSplit], spec: EncodedSpec, cfg: BaselinesConfig) -> Field | None:
    fields = list_fields(spec)
    fields = [field for field in fields if not field.is_bucket] or fields
    train, val = splits["train"], splits["val"]
    losses = [
        fit_rates(
            ids_of(train.cat_idx_NF, field),
            train.label_N,
            ids_of(val.cat_idx_NF, field),
            val.label_N,
            cfg.prior_impressions,
            train.weight_N,
            val.weight_N,
        )[1]
        for field in fields
    ]
    return fields[int(np.argmin(losses))] if fields else None


if __name__ == "__main__":
    run_stage(main)
