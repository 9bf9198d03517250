"""Small data sets and the stages from raw files to arrays, run in a folder of the test's own."""

from copy import deepcopy
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import yaml
from PIL import Image

from stages import acquire, encode, fit, split, validate
from stages.compose import compose_params

CONF = Path(__file__).parents[2] / "conf"
STAGES = {"acquire": acquire, "validate": validate, "split": split, "fit": fit, "encode": encode}
COLUMNS = [
    {"name": "id", "role": "key", "dtype": "int"},
    {"name": "t", "role": "time", "dtype": "datetime"},
    {"name": "site", "role": "categorical", "dtype": "string"},
    {"name": "user", "role": "entity", "dtype": "string", "feature": False},
    {"name": "ad", "role": "creative", "dtype": "string", "keep": True},
    {"name": "age", "role": "numeric", "dtype": "float", "nullable": True, "min": 0, "log": True},
    {"name": "view", "role": "categorical", "dtype": "int", "keep": True},
    {"name": "y", "role": "label", "dtype": "int"},
]


def declaration(**changes: Any) -> dict[str, Any]:
    """The section `data` of the small data set, as plain values."""
    return {
        "name": "small",
        "source": {"kind": "files", "path": "source", "files": ["*/rows.csv"]},
        "images": {"files": "*/ads/*.png", "missing": "allow"},
        "split": {"by": "time", "val_frac": 0.2, "test_months": 1},
        "columns": COLUMNS,
    } | changes


def rows_of(month: int, num_rows: int, seed: int = 1) -> pl.DataFrame:
    """Impressions of a month: clicks follow age and site."""
    rng = np.random.default_rng([seed, month])
    age = rng.integers(18, 80, num_rows)
    site = rng.integers(0, 5, num_rows)
    p_click = 1 / (1 + np.exp(-((age - 50) / 8 + site - 2)))
    seconds = np.sort(rng.integers(0, 28 * 86400, num_rows))
    start = np.datetime64(f"2024-{month:02d}-01")
    return pl.DataFrame(
        {
            "id": np.arange(num_rows) + month * 100_000,
            "t": [str(start + np.timedelta64(int(second), "s")) for second in seconds],
            "site": [f"site {value}" for value in site],
            "user": [f"u{value}" for value in rng.integers(0, 40, num_rows)],
            "ad": [f"ad{value}" for value in rng.integers(0, 6, num_rows)],
            "age": pl.Series(age, dtype=pl.Float64).scatter(np.flatnonzero(rng.random(num_rows) < 0.1), None),
            "view": rng.integers(0, 3, num_rows),
            "y": (rng.random(num_rows) < p_click).astype(int),
        }
    )


def write_month(source: Path, month: int, num_rows: int = 400) -> Path:
    """A month's CSV and the images of its ads, below `source`."""
    folder = source / f"2024-{month:02d}"
    (folder / "ads").mkdir(parents=True)
    rows_of(month, num_rows).write_csv(folder / "rows.csv")
    for i in range(5 if month == 1 else 0):  # ad5 has no image
        write_png(folder / "ads" / f"ad{i}.png", (40 * i, 20, 200 - 30 * i))
    return folder


def write_png(path: Path, color: tuple[int, int, int]) -> None:
    buffer = BytesIO()
    Image.new("RGB", (12, 12), color).save(buffer, "PNG")
    path.write_bytes(buffer.getvalue())


@cache
def _composed(*overrides: str) -> dict[str, Any]:
    return compose_params(CONF, list(overrides))


def composed(*overrides: str) -> dict[str, Any]:
    """The real configuration with `overrides`, the caller's own: composed once for all tests of a process, half a second each."""
    return deepcopy(_composed(*overrides))


def write_params(data: dict[str, Any], overrides: tuple[str, ...] = ()) -> dict[str, Any]:
    """params.yaml in the working directory: the real configuration with `data` in it."""
    params = composed("seed=3", "validate.max_share=0.5", "features.image_size=8", *overrides)
    params["data"] = data
    params["evaluate"]["slices"] = params["compare"]["watch"] = "auto"
    Path("params.yaml").write_text(yaml.safe_dump(params))
    return params


def run(*names: str) -> None:
    for name in names:
        STAGES[name].main()
