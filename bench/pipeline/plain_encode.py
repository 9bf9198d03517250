"""What stage encode does, written plainly with pandas and scikit-learn: ids, buckets, numbers, pixels, as .npy."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.preprocessing import OrdinalEncoder, StandardScaler

from contracts.tables.images import to_pixels

MIN_COUNT, NUM_BUCKETS, MAX_SIGMA, IMAGE_SIZE = 10, 24, 8.0, 32  # conf/features/default.yaml
LOGGED = ("frequency", "days_since_launch", "floor_price")  # conf/data/simulated.yaml
NUMERIC = ("user_age", *LOGGED)
UNKNOWN, MISSING = -1, -2  # ids beside 0, 1, ... of the known values
SPLITS = ("train", "val", "test")


@dataclass(frozen=True, kw_only=True)
class Fitted:
    """What was learnt from the training rows."""

    categorical: list[str]
    numeric: list[str]
    encoder: OrdinalEncoder
    scaler: StandardScaler
    edges: dict[str, np.ndarray]  # ascending; the bucket is the number of edges at or below the value


def fit(train_path: Path, features_path: Path) -> Fitted:
    """Fit on the training split, on the columns that stage fit kept."""
    kept = [column["name"] for column in json.loads(features_path.read_text())["inputs"]]
    train = pd.read_parquet(train_path)
    categorical = [name for name in kept if name not in NUMERIC]
    numeric = [name for name in kept if name in NUMERIC]
    values = [frequent(train[name]) for name in categorical]
    encoder = OrdinalEncoder(categories=values, handle_unknown="use_encoded_value", unknown_value=UNKNOWN, dtype=np.int32)
    encoder.fit(text(train.head(1), categorical))
    scaler = StandardScaler().fit(logged(train[numeric]))
    return Fitted(
        categorical=categorical,
        numeric=numeric,
        encoder=encoder,
        scaler=scaler,
        edges={name: edges(train[name]) for name in numeric},
    )


def frequent(column: pd.Series) -> np.ndarray:
    counts = column.astype(str).value_counts()
    return np.sort(counts.index[counts >= MIN_COUNT].to_numpy(dtype=object))


def edges(column: pd.Series) -> np.ndarray:
    """Frequent values are buckets of their own; the runs of values between them are cut evenly."""
    counts = column.dropna().astype(np.float32).value_counts().sort_index()
    least = max(len(column.dropna()) / NUM_BUCKETS / 4, MIN_COUNT)
    most_first = sorted(counts, reverse=True)
    size = 0.0
    for taken in range(min(NUM_BUCKETS, len(most_first))):
        even = sum(most_first[taken:]) / (NUM_BUCKETS - taken)
        if most_first[taken] < even:
            size = even
            break
    size = max(size, least)
    frequent_value = counts >= size
    found: list[float] = []
    for _, run in counts.groupby(frequent_value.cumsum()):
        own = run.index[:1] if run.iloc[0] >= size else run.index[:0]
        others = run.iloc[len(own) :]
        if len(own):
            found.append(own[0])
        if others.sum() >= least:
            parts = max(int(others.sum() / size + 1e-6), 1)
            part = (parts * (others.cumsum() - others) // others.sum()).astype(int)
            found += list(others.index[np.r_[True, part.to_numpy()[1:] != part.to_numpy()[:-1]]])
        elif not len(own):
            found.append(counts.index[0])  # too few below the first frequent value: they go with it
    if counts[counts.index < (counts.index[frequent_value][0] if frequent_value.any() else np.inf)].sum() < least:
        found = found[:1] + [edge for edge in found[1:] if not (frequent_value.any() and edge == counts.index[frequent_value][0])]
    return np.array(found[1:], dtype=np.float32)


def text(rows: pd.DataFrame, names: list[str]) -> pd.DataFrame:
    """Columns as strings of dtype object, which is what scikit-learn looks up fastest."""
    return rows[names].astype(str).astype(object)


def logged(rows: pd.DataFrame) -> np.ndarray:
    return np.column_stack([np.log1p(rows[name]) if name in LOGGED else rows[name] for name in rows.columns]).astype(float)


def encode(fitted: Fitted, split_dir: Path, clean_dir: Path, out_dir: Path) -> None:
    """Write cat_idx, num_feats, label and creative_idx of every split, and the pixels of all creatives."""
    files = sorted(clean_dir.glob("*/creatives.parquet"))
    images = pd.concat([pd.read_parquet(path) for path in files]).drop_duplicates("creative_id", keep="last")
    row_of = pd.Series(np.arange(1, len(images) + 1), index=images["creative_id"])
    for name in SPLITS:
        rows = pd.read_parquet(split_dir / f"{name}.parquet")
        folder = out_dir / name
        folder.mkdir(parents=True, exist_ok=True)
        np.save(folder / "cat_idx.npy", ids(fitted, rows))
        np.save(folder / "num_feats.npy", numbers(fitted, rows))
        np.save(folder / "label.npy", rows["clicked"].to_numpy(dtype=np.uint8))
        np.save(folder / "creative_idx.npy", rows["creative_id"].map(row_of).fillna(0).to_numpy(dtype=np.int32))
    pixels = np.zeros((len(images) + 1, 3, IMAGE_SIZE, IMAGE_SIZE), dtype=np.uint8)
    for number, content in enumerate(images["image"], start=1):
        pixels[number] = to_pixels(content, IMAGE_SIZE)
    np.save(out_dir / "creatives.npy", pixels)


def ids(fitted: Fitted, rows: pd.DataFrame) -> np.ndarray:
    """Ids of the categorical columns, then buckets of the numeric ones, int32 [N, F]."""
    looked_up = fitted.encoder.transform(text(rows, fitted.categorical))
    buckets = []
    for name in fitted.numeric:
        x = rows[name].to_numpy(dtype=np.float32)
        buckets.append(np.where(np.isnan(x), MISSING, np.searchsorted(fitted.edges[name], x, side="right")))
    return np.column_stack([looked_up, *buckets]).astype(np.int32)


def numbers(fitted: Fitted, rows: pd.DataFrame) -> np.ndarray:
    """Standardised values, 0 where missing, then a flag of the missing age, float32."""
    scaled = np.clip(fitted.scaler.transform(logged(rows[fitted.numeric])), -MAX_SIGMA, MAX_SIGMA)
    flags = [rows[name].isna() for name in fitted.numeric if name == "user_age"]
    return np.column_stack([np.nan_to_num(scaled, nan=0.0), *flags]).astype(np.float32)
