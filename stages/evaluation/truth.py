"""True click probabilities of the test rows, where the data set knows them (only a simulated one does)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl

from contracts.dataset.columns import Column


def match_truth(test_df: pl.DataFrame, key: Column | None, folder: Path) -> tuple[np.ndarray | None, str]:
    """p_true float64 [N] in the order of `test_df`, or None; and a sentence that says which and why.

    Every Parquet file in `folder` has the key column and p_true. Truth that misses a row is no truth: the oracle must
    be judged on the same rows as the model. Raises ValueError if a key stands twice in the files.
    """
    paths = sorted(folder.rglob("*.parquet"))
    if not paths:
        return None, "The true click probabilities of this data set are not known."
    if key is None:
        return None, f"{folder} holds true probabilities, but no column has role key to match them by."
    truth_df = pl.concat([_read(path, key.name) for path in paths]).with_columns(pl.col(key.name).cast(pl.String))
    twice = truth_df.filter(pl.col(key.name).is_duplicated())
    if twice.height:
        raise ValueError(f"{folder}: {key.name} {twice[key.name][0]} has two true probabilities; run acquire again")
    keys = test_df.select(pl.col(key.name).cast(pl.String))
    p_true = keys.join(truth_df, on=key.name, how="left", maintain_order="left")["p_true"]
    if p_true.null_count():
        known = p_true.len() - p_true.null_count()
        return (
            None,
            f"True probabilities are known for {known:,} of {p_true.len():,} test rows only; they are not used.",
        )
    return p_true.to_numpy(), "The true click probability of every test row is known."


def _read(path: Path, key: str) -> pl.DataFrame:
    df = pl.read_parquet(path)
    missing = {key, "p_true"} - set(df.columns)
    if missing:
        raise ValueError(f"{path} must have the columns {key} and p_true, got {', '.join(df.columns)}")
    return df.select(key, pl.col("p_true").cast(pl.Float64))
