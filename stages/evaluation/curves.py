"""Curves as small tables: ROC, gain and calibration of several predictions, for CSV files that DVC plots."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl

from stages.evaluation.style import title_of

ALL_ROWS = "all test rows"
NUM_STEPS = 200  # steps of the horizontal axis; finer than a plot can show


def roc_table(label: np.ndarray, predictions: Mapping[str, np.ndarray], mass: np.ndarray | None = None) -> pl.DataFrame:
    """Column false_positive_rate in equal steps and one column a prediction: the true-positive rate there."""
    grid = np.linspace(0.0, 1.0, NUM_STEPS + 1)
    columns = {"false_positive_rate": grid}
    for name, p_click in predictions.items():
        false_rate, true_rate, _ = _ranked_shares(label, p_click, mass)
        columns[name] = np.interp(grid, false_rate, true_rate)
    return pl.DataFrame(columns).select(pl.all().round(6))


def gain_table(label: np.ndarray, predictions: Mapping[str, np.ndarray], mass: np.ndarray | None = None) -> pl.DataFrame:
    """Column share_of_impressions, best ranked first, and one column a prediction: the share of clicks among them."""
    grid = np.linspace(0.0, 1.0, NUM_STEPS + 1)
    columns = {"share_of_impressions": grid}
    for name, p_click in predictions.items():
        _, true_rate, row_share = _ranked_shares(label, p_click, mass)
        columns[name] = np.interp(grid, row_share, true_rate)
    return pl.DataFrame(columns).select(pl.all().round(6))


def _ranked_shares(label: np.ndarray, p_click: np.ndarray, mass: np.ndarray | None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Shares of unclicked rows, clicked rows and all rows above each distinct prediction, each from 0 to 1."""
    order = np.argsort(-p_click.astype(np.float64), kind="stable")
    mass_sorted = np.ones(len(label)) if mass is None else mass[order]
    p_sorted, clicks = p_click[order], np.cumsum(label[order].astype(np.float64) * mass_sorted)
    last = np.append(np.flatnonzero(p_sorted[1:] != p_sorted[:-1]), p_sorted.shape[0] - 1)
    rows = np.cumsum(mass_sorted)[last]
    clicked = np.concatenate([[0.0], clicks[last]])
    unclicked = np.concatenate([[0.0], rows - clicks[last]])
    shares = np.concatenate([[0.0], rows]) / mass_sorted.sum()
    return unclicked / max(unclicked[-1], 1.0), clicked / max(clicked[-1], 1.0), shares


def by_prediction(table: pl.DataFrame, value: str) -> pl.DataFrame:
    """`table`, of `roc_table` or `gain_table`, a row a point of a curve: prediction (its title), the first column, `value`."""
    first = table.columns[0]
    long = table.unpivot(index=first, variable_name="prediction", value_name=value)
    return long.select(pl.col("prediction").map_elements(title_of, return_dtype=pl.String), first, value)


def calibration_table(curves: Mapping[str, list[dict[str, Any]]]) -> pl.DataFrame:
    """One row a bin of one prediction: prediction (its title), rows, clicks, predicted, observed with its interval."""
    rows = [{"prediction": title_of(name), **entry} for name, curve in curves.items() for entry in curve]
    return pl.DataFrame(rows).select("prediction", "rows", "clicks", "predicted", "observed", "low", "high")


def slice_table(slices: Mapping[str, list[dict[str, Any]]], total: Mapping[str, Any]) -> pl.DataFrame:
    """First `total`, all test rows, then one row a slice value, with intervals; null where undefined."""
    named = [(ALL_ROWS, total)]
    named += [(f"{name} = {entry['value']}", entry) for name, entries in slices.items() for entry in entries]
    rows = []
    for name, entry in named:
        row = {"slice": name, "rows": entry["rows"], "clicks": entry["clicks"], "mean_prediction": entry["mean_prediction"]}
        for metric in ("ctr", "auc", "normalised_entropy", "observed_over_predicted"):
            estimate = entry[metric]
            row |= {metric: estimate["value"], f"{metric}_low": estimate["low"], f"{metric}_high": estimate["high"]}
        rows.append(row)
    return pl.DataFrame(rows, infer_schema_length=None)
