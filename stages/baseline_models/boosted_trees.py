"""LightGBM on the model's columns without pixels, tuned on the validation rows.

Columns with few ids are LightGBM categories. Columns with many ids (users, sites, creatives) would be overfitted that
way; they become smoothed click rates that no training row computes from its own label.
"""

from __future__ import annotations

from typing import Any

import lightgbm as lgb
import numpy as np

from stages.baseline_models.columns import Field, ids_of, list_fields
from stages.baseline_models.rates import RateTable, fit_rates, forward_features, out_of_fold_features
from stages.evaluation.config import BaselinesConfig
from stages.evaluation.metrics import log_loss
from stages.models.encoded_arrays import EncodedSpec, EncodedSplit

SPLITS = ("train", "val", "test")
WAYS = {"forward rates": forward_features, "out-of-fold rates": out_of_fold_features}
NATIVE = "categories"
FEATURE_FRACTION, BAGGING_FRACTION, LAMBDA_L2 = 0.5, 0.7, 10.0  # each lowered the validation loss on simulated clicks


def fit_boosted_trees(
    splits: dict[str, EncodedSplit], spec: EncodedSpec, cfg: BaselinesConfig
) -> tuple[np.ndarray, dict[str, Any]]:
    """p_click of the test rows, float64 [N], and what was tried on val.

    First the ways to show columns with many ids are compared, then, with the best way, the numbers of leaves.
    """
    fields = [field for field in list_fields(spec) if not field.is_bucket]
    if not fields and not spec.dense_names:
        fields = list_fields(spec)
    few = [field for field in fields if field.num_ids <= cfg.native_max_ids]
    many = [field for field in fields if field.num_ids > cfg.native_max_ids]
    tables = {field.name: _rate_table(splits, field, cfg) for field in many}
    ways = list(WAYS) if many else [NATIVE]
    leaves, *more_leaves = cfg.lightgbm_num_leaves
    trials = [_Trial(splits, few, many, tables, way, cfg) for way in ways]
    results = [trial.fit(leaves) for trial in trials]
    best = int(np.argmin([result["loss"] for result in results]))
    results += [trials[best].fit(count) for count in more_leaves]
    kept = min(results, key=lambda result: result["loss"])
    return kept["p_test"], {
        "kept": kept["name"],
        "num_trees": kept["num_trees"],
        "val_log_loss": {result["name"]: round(result["loss"], 7) for result in results},
        "as_categories": [field.name for field in few],
        "as_rates": {name: {"prior_impressions": table.strength} for name, table in tables.items()},
        "dense": list(spec.dense_names),
    }


def _rate_table(splits: dict[str, EncodedSplit], field: Field, cfg: BaselinesConfig) -> RateTable:
    train, val = splits["train"], splits["val"]
    ids = {name: ids_of(splits[name].cat_idx_NF, field) for name in ("train", "val")}
    table, _ = fit_rates(ids["train"], train.label_N, ids["val"], val.label_N, cfg.prior_impressions)
    unseen = field.num_ids - table.rows.shape[0]
    return RateTable(
        rows=np.pad(table.rows, (0, unseen)),
        clicks=np.pad(table.clicks, (0, unseen)),
        prior=table.prior,
        strength=table.strength,
    )


class _Trial:
    """The three splits shown to LightGBM in one way; binned once, fitted for any number of leaves."""

    def __init__(
        self,
        splits: dict[str, EncodedSplit],
        few: list[Field],
        many: list[Field],
        tables: dict[str, RateTable],
        way: str,
        cfg: BaselinesConfig,
    ) -> None:
        self.way, self.cfg = way, cfg
        features = {name: _features(splits[name], few, many, tables, way, name == "train") for name in SPLITS}
        self.val, self.test = features["val"], features["test"]
        self.val_label = splits["val"].label_N
        # Binning happens here, so the parameters that shape it are given here and must not change between fits.
        self.fixed = {
            "objective": "binary",
            "learning_rate": cfg.lightgbm_learning_rate,
            "min_data_in_leaf": cfg.lightgbm_min_rows_in_leaf,
            "feature_fraction": FEATURE_FRACTION,
            "bagging_fraction": BAGGING_FRACTION,
            "bagging_freq": 1,
            "lambda_l2": LAMBDA_L2,
            "feature_pre_filter": False,
            "deterministic": True,
            "force_row_wise": True,
            "num_threads": cfg.num_threads,
            "seed": cfg.seed,
            "verbosity": -1,
        }
        self.train_set = lgb.Dataset(
            features["train"], splits["train"].label_N, categorical_feature=list(range(len(few))), params=self.fixed
        )
        self.val_set = self.train_set.create_valid(self.val, self.val_label)

    def fit(self, num_leaves: int) -> dict[str, Any]:
        stop = lgb.early_stopping(self.cfg.lightgbm_patience_trees, verbose=False)
        params = {**self.fixed, "num_leaves": num_leaves}
        booster = lgb.train(
            params, self.train_set, self.cfg.lightgbm_max_trees, valid_sets=[self.val_set], callbacks=[stop]
        )
        p_val = booster.predict(self.val, num_threads=self.cfg.num_threads)
        return {
            "name": f"{self.way}, {num_leaves} leaves",
            "loss": log_loss(self.val_label, p_val),
            "num_trees": int(booster.best_iteration),
            "p_test": booster.predict(self.test, num_threads=self.cfg.num_threads),
        }


def _features(
    split: EncodedSplit, few: list[Field], many: list[Field], tables: dict[str, RateTable], way: str, is_train: bool
) -> np.ndarray:
    """float32 [N, columns]: categories first, then the dense columns, then rate and log(1 + rows) of each wide field."""
    wide: list[np.ndarray] = []
    for field in many:
        ids, table = ids_of(split.cat_idx_NF, field), tables[field.name]
        wide += WAYS[way](ids, split.label_N, table) if is_train else (table.rate(ids), table.log_rows(ids))
    categories = split.cat_idx_NF[:, [field.position for field in few]]
    blocks = [categories, split.num_feats_NM, *(column[:, None] for column in wide)]
    return np.concatenate([block.astype(np.float32) for block in blocks], axis=1)
