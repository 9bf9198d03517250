"""A data set whose columns have every rule that a request is checked for, and months of it."""

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from tests.stages.pipeline_world import declaration, write_png

COLORS = [(40 * i, 20, 200 - 30 * i) for i in range(5)]  # of ad0 to ad4; ad5 has no image
COLUMNS = [
    {"name": "id", "role": "key", "dtype": "int"},
    {"name": "t", "role": "time", "dtype": "datetime"},
    {"name": "site", "role": "categorical", "dtype": "string", "nullable": True, "missing": ["NA"], "max_length": 12},
    {"name": "device", "role": "categorical", "dtype": "string", "keep": True},
    {"name": "ad", "role": "creative", "dtype": "int", "feature": False},
    {"name": "view", "role": "categorical", "dtype": "int", "nullable": True, "missing": [-1], "min": 0, "max": 20, "keep": True},
    {"name": "mobile", "role": "categorical", "dtype": "bool", "keep": True},
    {"name": "age", "role": "numeric", "dtype": "float", "nullable": True, "missing": [999], "min": 0, "max": 120, "log": True},
    {"name": "visits", "role": "numeric", "dtype": "int", "missing": [999_999_999], "min": 0, "keep": True},
    {"name": "spent", "role": "numeric", "dtype": "float", "keep": True},
    {"name": "constant", "role": "numeric", "dtype": "float", "min": 0},
    {"name": "y", "role": "label", "dtype": "int"},
]
STRICT_LIMITS = {
    "max_batch_size": 64,
    "max_request_bytes": 20_000,
    "max_string_bytes": 100,
    "max_image_bytes": 8_000,
    "max_image_pixels": 10_000,
    "metrics_interval_s": 0.2,
}


def strict_declaration() -> dict[str, Any]:
    return declaration(name="strict", columns=COLUMNS, images={"files": "*/ads/*.png", "missing": "allow"})


def write_strict_month(source: Path, month: int, num_rows: int) -> None:
    """A month's CSV and the images of its ads, below `source`."""
    folder = source / f"2024-{month:02d}"
    (folder / "ads").mkdir(parents=True)
    strict_rows(month, num_rows).write_csv(folder / "rows.csv")
    for i, color in enumerate(COLORS if month == 1 else []):
        write_png(folder / "ads" / f"{i}.png", color)


def strict_rows(month: int, num_rows: int) -> pl.DataFrame:
    rng = np.random.default_rng([7, month])
    age, site = rng.integers(18, 80, num_rows), rng.integers(0, 5, num_rows)
    p_click = 1 / (1 + np.exp(-((age - 50) / 8 + site - 2)))
    seconds = np.sort(rng.integers(0, 28 * 86400, num_rows))
    start = np.datetime64(f"2024-{month:02d}-01")
    return pl.DataFrame(
        {
            "id": np.arange(num_rows) + month * 100_000,
            "t": [str(start + np.timedelta64(int(second), "s")) for second in seconds],
            "site": pl.Series([f"site {value}" for value in site]).scatter(np.flatnonzero(rng.random(num_rows) < 0.1), "NA"),
            "device": [f"device {value}" for value in rng.integers(0, 3, num_rows)],
            "ad": rng.integers(0, 6, num_rows),
            "view": rng.integers(-1, 12, num_rows),
            "mobile": pl.Series(rng.random(num_rows) < 0.5).replace_strict({True: "yes", False: "0"}),
            "age": pl.Series(age, dtype=pl.Float64).scatter(np.flatnonzero(rng.random(num_rows) < 0.1), 999.0),
            "visits": rng.integers(0, 9, num_rows),
            "spent": rng.normal(0, 5, num_rows).round(2),
            "constant": np.ones(num_rows),
            "y": (rng.random(num_rows) < p_click).astype(int),
        }
    )
