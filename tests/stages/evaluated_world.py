"""A tiny project folder as the stages before `baselines` leave it: forty creatives, a few hundred rows, no training."""

import json
from pathlib import Path

import numpy as np
import polars as pl
import yaml

ROOT = Path(__file__).parents[2]
SIZES = {"train": 3000, "val": 600, "test": 1200}
COLUMNS = [
    {"name": "row", "role": "key", "dtype": "int"},
    {"name": "device", "role": "categorical", "dtype": "string"},
    {"name": "age", "role": "numeric", "dtype": "float", "nullable": True},
    {"name": "banner", "role": "creative", "dtype": "string"},
    {"name": "clicked", "role": "label", "dtype": "int"},
]


def params(creative: bool = True, **evaluate: object) -> dict:
    """The real defaults, shrunk."""
    sections = {name: yaml.safe_load((ROOT / "conf" / name / "default.yaml").read_text()) for name in ("baselines", "evaluate")}
    sections["baselines"] |= {"seed": 0, "num_threads": 1, "lightgbm_max_trees": 40, "native_max_ids": 20}
    sections["evaluate"] |= {"seed": 0, "num_threads": 1, "num_resamples": 100, "slices": "auto"} | evaluate
    columns = COLUMNS if creative else [column for column in COLUMNS if column["role"] != "creative"]
    data = {
        "name": "tiny",
        "description": "Rows made up for a test",
        "source": {"kind": "files", "path": "in", "files": ["*.csv"]},
        "columns": columns,
        "leave_out": [{"name": "duration", "why": "known only after the click"}],
        "split": {"by": "row", "val_frac": 0.1, "test_frac": 0.2},
    }
    return {"seed": 0, "data": data, **sections}


def draw_rows(seed: int = 0) -> tuple[pl.DataFrame, np.ndarray]:
    """All rows in time order, and their true click probabilities. Creatives 30 to 39 appear in the test rows only."""
    rng = np.random.default_rng(seed)
    num_rows = sum(SIZES.values())
    num_known = SIZES["train"] + SIZES["val"]
    device = rng.choice(["phone", "desktop", "tv"], num_rows, p=[0.6, 0.3, 0.1])
    creative = np.concatenate([rng.integers(0, 30, num_known), rng.integers(0, 40, SIZES["test"])])
    age = rng.uniform(18, 80, num_rows)
    appeal = rng.normal(0, 1, 40)
    score = -2.2 + appeal[creative] + (device == "phone") * 0.8 - 0.01 * (age - 40)
    p_true = 1 / (1 + np.exp(-score))
    rows = pl.DataFrame(
        {
            "row": np.arange(num_rows),
            "device": device,
            "age": age,
            "banner": [f"b{number:02d}" for number in creative],
            "clicked": (rng.random(num_rows) < p_true).astype(np.int64),
        }
    )
    return rows, p_true


def write_world(folder: Path, *, creative: bool = True, truth: bool = True, **evaluate: object) -> np.ndarray:
    """Write splits, encoded arrays, truth and params.yaml below `folder`; returns what a fair model would predict."""
    rows, p_true = draw_rows()
    (folder / "params.yaml").write_text(yaml.safe_dump(params(creative, **evaluate)))
    names = [column["name"] for column in params(creative)["data"]["columns"]]
    start = 0
    for split, size in SIZES.items():
        part = rows[start : start + size]
        (folder / "data/split").mkdir(parents=True, exist_ok=True)
        part.select(names).write_parquet(folder / f"data/split/{split}.parquet")
        write_encoded(folder / "data/encoded" / split, part, creative)
        start += size
    spec = {"categorical": [{"name": "device", "num_ids": 5}, {"name": "age__bucket", "num_ids": 9}], "dense": ["age"]}
    spec["numbers"] = [{"name": "age", "knots": [-1.7, 0.0, 1.7]}]
    if creative:
        spec["categorical"].append({"name": "banner", "num_ids": 32})
    spec |= {
        "creative": creative,
        "creative_field": "banner" if creative else None,
        "num_creatives": 40 if creative else 0,
        "image_size": 8,
    }
    (folder / "data/encoded/spec.json").write_text(json.dumps(spec))
    (folder / "artifacts/export").mkdir(parents=True, exist_ok=True)
    (folder / "artifacts/export/features.json").write_text(json.dumps(spec))
    (folder / "artifacts/export/manifest.json").write_text(json.dumps({"format": 1, "files": {}}))
    if truth:
        (folder / "data/truth").mkdir(parents=True)
        pl.DataFrame({"row": np.arange(len(p_true)), "p_true": p_true}).write_parquet(folder / "data/truth/all.parquet")
    noise = np.random.default_rng(9).normal(0, 0.3, SIZES["test"])
    odds = np.log(p_true[-SIZES["test"] :] / (1 - p_true[-SIZES["test"] :])) + noise
    return (1 / (1 + np.exp(-odds))).astype(np.float32)


def write_encoded(folder: Path, part: pl.DataFrame, creative: bool) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    device = part["device"].replace_strict({"phone": 2, "desktop": 3, "tv": 4}).to_numpy()
    number = part["banner"].str.slice(1).cast(pl.Int64).to_numpy()
    bucket = 2 + np.clip((part["age"].to_numpy() - 18) // 10, 0, 6)
    fields = [device, bucket] + ([np.where(number < 30, number + 2, 0)] if creative else [])
    np.save(folder / "cat_idx.npy", np.stack(fields, axis=1).astype(np.int32))
    np.save(folder / "num_feats.npy", ((part["age"].to_numpy() - 49) / 18).astype(np.float32)[:, None])
    np.save(folder / "label.npy", part["clicked"].to_numpy().astype(np.uint8))
    if creative:
        np.save(folder / "creative_idx.npy", (number + 1).astype(np.int32))
