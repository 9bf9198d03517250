"""LightGBM on the model's columns without pixels, tuned on the validation rows.

Columns with few ids are LightGBM categories. Columns with many ids (users, sites, creatives) would be overfitted that
way; they become smoothed click rates that no training row computes from its own label.
"""

from __future__ import annotations

from concurrent.futures import Executor
from typing import Any

import lightgbm as lgb
import numpy as np

from stages.baseline_models.columns import Field, ids_of, list_fields
from stages.baseline_models.lists import list_columns
from stages.baseline_models.rates import RateTable, fit_rates, forward_features, out_of_fold_features
from stages.evaluation.config import BaselinesConfig
from stages.evaluation.metrics import log_loss
from stages.models.encoded_arrays import EncodedSpec, EncodedSplit

SPLITS = ("train", "val", "test")
WAYS = {"forward rates": forward_features, "out-of-fold rates": out_of_fold_features}
NATIVE = "categories"
DEFAULT_LEAF, LEAVES_AT_LEAST = 20, 100  # LightGBM's own smallest leaf; a small table's leaves are not larger than a 100th
SCREEN_TREES = 60  # enough trees to see which way is better
# Each of these lowered the validation loss on simulated clicks, against LightGBM's defaults.
REGULARISATION = {
    "feature_fraction": 0.5,
    "bagging_fraction": 0.7,
    "bagging_freq": 1,
    "lambda_l2": 10.0,
    "cat_smooth": 30.0,
    "cat_l2": 20.0,
}


def fit_boosted_trees(
    splits: dict[str, EncodedSplit], spec: EncodedSpec, cfg: BaselinesConfig, pool: Executor
) -> tuple[np.ndarray, dict[str, Any]]:
    """p_click of the test rows, float64 [N], and what was tried on val.

    First the ways to show columns with many ids are compared on a few trees, then, with the best way, numbers of leaves.
    Fits run side by side in `pool`, each on one thread: OpenMP threads that wait for one another lose most of their time
    when anything else runs on the machine.
    """
    fields = [field for field in list_fields(spec) if not field.is_bucket]
    if not fields and not spec.dense_names and not spec.lists:
        fields = list_fields(spec)
    few = [field for field in fields if field.num_ids <= cfg.native_max_ids]
    many = [field for field in fields if field.num_ids > cfg.native_max_ids]
    tables = {field.name: _rate_table(splits, field, cfg) for field in many}
    strength = cfg.prior_impressions[len(cfg.prior_impressions) // 2]  # of the rates of values in lists, which are not tuned
    shown = splits if spec.lists else {}
    lists = {name: list_columns(split, splits["train"], spec, strength, cfg.native_max_ids) for name, split in shown.items()}
    ways = list(WAYS) if many else [NATIVE]
    first = cfg.lightgbm_num_leaves[0]

    def attempt(way: str, num_leaves: int, max_trees: int) -> dict[str, Any]:
        return _attempt(splits, few, many, tables, lists, way, cfg, num_leaves, max_trees)

    screened = list(pool.map(lambda way: attempt(way, first, SCREEN_TREES), ways)) if len(ways) > 1 else []
    best = ways[int(np.argmin([result["loss"] for result in screened]))] if screened else ways[0]
    results = list(pool.map(lambda leaves: attempt(best, leaves, cfg.lightgbm_max_trees), cfg.lightgbm_num_leaves))
    kept = min(results, key=lambda result: result["loss"])
    return kept["p_test"], {
        "kept": kept["name"],
        "num_trees": kept["num_trees"],
        "val_log_loss": {result["name"]: round(result["loss"], 7) for result in [*screened, *results]},
        "as_categories": [field.name for field in few],
        "as_rates": {name: {"prior_impressions": table.strength} for name, table in tables.items()},
        "dense": list(spec.dense_names),
        **({"lists": [one.name for one in spec.lists]} if lists else {}),
    }


def _rate_table(splits: dict[str, EncodedSplit], field: Field, cfg: BaselinesConfig) -> RateTable:
    train, val = splits["train"], splits["val"]
    ids = {name: ids_of(splits[name].cat_idx_NF, field) for name in ("train", "val")}
    table, _ = fit_rates(
        ids["train"], train.label_N, ids["val"], val.label_N, cfg.prior_impressions, train.weight_N, val.weight_N
    )
    unseen = field.num_ids - table.rows.shape[0]
    return RateTable(
        rows=np.pad(table.rows, (0, unseen)),
        clicks=np.pad(table.clicks, (0, unseen)),
        prior=table.prior,
        strength=table.strength,
    )


def _attempt(
    splits: dict[str, EncodedSplit],
    few: list[Field],
    many: list[Field],
    tables: dict[str, RateTable],
    lists: dict[str, np.ndarray],
    way: str,
    cfg: BaselinesConfig,
    num_leaves: int,
    max_trees: int,
) -> dict[str, Any]:
    """One fit with early stopping on val: its name, val loss, number of trees and test predictions."""
    train, val, test = (_features(splits[name], few, many, tables, way, name == "train", lists.get(name)) for name in SPLITS)
    params = {
        "objective": "binary",
        "learning_rate": cfg.lightgbm_learning_rate,
        "num_leaves": num_leaves,
        "min_data_in_leaf": min(cfg.lightgbm_min_rows_in_leaf, max(DEFAULT_LEAF, len(splits["train"]) // LEAVES_AT_LEAST)),
        **REGULARISATION,
        "deterministic": True,
        "force_row_wise": True,
        "num_threads": 1,
        "seed": cfg.seed,
        "verbosity": -1,
    }
    train_rows, val_rows = splits["train"], splits["val"]
    few_places = list(range(len(few)))
    train_set = lgb.Dataset(train, train_rows.label_N, weight=train_rows.weight_N, categorical_feature=few_places, params=params)
    val_set = train_set.create_valid(val, val_rows.label_N, weight=val_rows.weight_N)
    stop = lgb.early_stopping(cfg.lightgbm_patience_trees, verbose=False)
    booster = lgb.train(params, train_set, max_trees, valid_sets=[val_set], callbacks=[stop])
    return {
        "name": f"{way}, {num_leaves} leaves, up to {max_trees} trees",
        "loss": log_loss(val_rows.label_N, booster.predict(val, num_threads=1), val_rows.weight_N),
        "num_trees": int(booster.best_iteration),
        "p_test": booster.predict(test, num_threads=1),
    }


def _features(
    split: EncodedSplit,
    few: list[Field],
    many: list[Field],
    tables: dict[str, RateTable],
    way: str,
    is_train: bool,
    lists: np.ndarray | None,
) -> np.ndarray:
    """float32 [N, columns]: categories first, then the dense columns, then rate and log(1 + rows) of each wide field, and what is
    made of columns with several values.
    """
    wide: list[np.ndarray] = []
    for field in many:
        ids, table = ids_of(split.cat_idx_NF, field), tables[field.name]
        wide += WAYS[way](ids, split.label_N, table, split.weight_N) if is_train else (table.rate(ids), table.log_rows(ids))
    categories = split.cat_idx_NF[:, [field.position for field in few]]
    blocks = [categories, split.num_feats_NM, *(column[:, None] for column in wide), *([] if lists is None else [lists])]
    return np.concatenate([block.astype(np.float32) for block in blocks], axis=1)
