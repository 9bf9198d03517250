"""How far two trainings of one model with other seeds differ, and how far both are from the truth: by user, creative and row.

`python -m bench.rollout.simulation.seeds PREDICTIONS OTHER_PREDICTIONS TRUTH`, the files `data/predictions/test.parquet` of
both and the test month's `data/truth/<month>.parquet`, in a project with the same `data/split/test.parquet`.
"""

import sys
from pathlib import Path

import numpy as np
import polars as pl

ROWS = Path("data/split/test.parquet")


def components(value_N: np.ndarray, user_N: np.ndarray, creative_N: np.ndarray) -> dict[str, float]:
    """Standard deviations of the parts of a value that rows of a user, rows of a creative, and nobody else share.

    Moments of pairs of rows (variance components without assumptions on distributions): two rows of a user that have other
    creatives share the user's part only, two of a creative with other users the creative's.
    """
    centred_N = value_N - value_N.mean()
    both_N = user_N.astype(np.int64) * (int(creative_N.max()) + 1) + creative_N
    found = {}
    total = float((centred_N**2).mean())
    twice, pairs_twice = _pairs(centred_N, both_N)
    for name, cluster_N in (("user", user_N), ("creative", creative_N)):
        products, pairs = _pairs(centred_N, cluster_N)
        found[name] = max((products - twice) / (pairs - pairs_twice), 0.0)
    found["row"] = max(total - found["user"] - found["creative"], 0.0)
    return {name: float(np.sqrt(part)) for name, part in found.items()} | {"mean": float(value_N.mean())}


def _pairs(value_N: np.ndarray, cluster_N: np.ndarray) -> tuple[float, float]:
    """Sum of products of all ordered pairs of different rows of one cluster, and their number."""
    sums, sizes = np.bincount(cluster_N, weights=value_N), np.bincount(cluster_N).astype(np.float64)
    return float((sums**2).sum() - (value_N**2).sum()), float((sizes**2).sum() - len(value_N))


def main(paths: list[str]) -> None:
    rows = pl.read_parquet(ROWS)
    truth = rows.join(pl.read_parquet(paths[2]), on="impression_id", how="left", maintain_order="left")["p_true"].to_numpy()
    user_N, creative_N = (rows[name].rank("dense").to_numpy() - 1 for name in ("user_id", "creative_id"))
    one, other = (log_odds(pl.read_parquet(path)["p_click"].to_numpy()) for path in paths[:2])
    mean, true = (one + other) / 2, log_odds(truth)
    slope, start = np.polyfit(true, mean, 1)
    told = (("difference of the two", one - other), ("their mean from its line by the truth", mean - slope * true - start))
    for name, value_N in told:
        parts = components(value_N, user_N, creative_N)
        print(f"{name}: " + ", ".join(f"{part} {value:.3f}" for part, value in parts.items()) + f"; sd {value_N.std():.3f}")
    print(f"slope of their mean by the truth {slope:.3f}")


def log_odds(p_N: np.ndarray) -> np.ndarray:
    return np.log(p_N.astype(np.float64) / (1 - p_N))


if __name__ == "__main__":
    main(sys.argv[1:])
