"""What stages validate and encode do, written plainly with pandas, pandera and scikit-learn for the simulated data.

`python -m bench.pipeline.plain_pandas OUT` reads data/raw/ and data/split/ of the current folder, writes clean rows,
quarantine and arrays below OUT, and prints the seconds each took. Vocabularies and scales are fitted before the clock
starts, as stage fit does.
"""

import io
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pandera.pandas as pa
from PIL import Image

from bench.pipeline.plain_encode import encode, fit

INTS = ("impression_id", "hour", "weekday", "position", "frequency")
FLOATS = ("user_age", "days_since_launch", "floor_price")
SHORT = (
    "site_id",
    "site_category",
    "os",
    "region",
    "user_segment",
    "creative_id",
    "advertiser_id",
    "ad_category",
    "ad_format",
    "ad_server",
)


def schema() -> pa.DataFrameSchema:
    """The checks of conf/data/simulated.yaml. Integers are floats here: an unreadable cell can be missing."""
    short = pa.Check.str_length(max_value=40, error="max_length")
    return pa.DataFrameSchema(
        {
            "impression_id": pa.Column(float, pa.Check.ge(0, error="min"), unique=True, report_duplicates="exclude_first"),
            "timestamp": pa.Column("datetime64[us, UTC]"),
            "hour": pa.Column(float, [pa.Check.ge(0, error="min"), pa.Check.le(23, error="max")]),
            "weekday": pa.Column(float, [pa.Check.ge(1, error="min"), pa.Check.le(7, error="max")]),
            "position": pa.Column(float, pa.Check.isin([1, 2, 3, 4, 5], error="values")),
            "device": pa.Column(str, pa.Check.isin(["phone", "desktop", "tablet", "tv"], error="values")),
            "user_id": pa.Column(str, pa.Check.str_matches(r"^(?:user-\d{6,})$", error="pattern")),
            "user_age": pa.Column(float, [pa.Check.ge(13, error="min"), pa.Check.le(110, error="max")], nullable=True),
            "frequency": pa.Column(float, pa.Check.ge(0, error="min")),
            "days_since_launch": pa.Column(float, pa.Check.ge(0, error="min")),
            "floor_price": pa.Column(float, pa.Check.ge(0, error="min")),
            "currency": pa.Column(str, pa.Check.str_matches("^(?:[A-Z]{3})$", error="pattern")),
            "clicked": pa.Column(float, pa.Check.isin([0, 1], error="label")),
            **{name: pa.Column(str, short) for name in SHORT},
        },
        strict=True,
    )


def read_raw(path: Path) -> pd.DataFrame:
    """All cells as strings, undecodable bytes as U+FFFD. The pyarrow parser takes under half the C parser's time."""
    text = path.read_bytes().decode("utf-8", errors="replace").encode()
    return pd.read_csv(io.BytesIO(text), dtype=str, keep_default_na=False, engine="pyarrow")


def parse(raw: pd.DataFrame) -> tuple[pd.DataFrame, list[pd.DataFrame]]:
    """The typed table, and the cells that cannot be read as what they should be."""
    typed, broken = {}, []
    for name in raw.columns:
        if name in (*INTS, *FLOATS, "clicked"):
            typed[name] = pd.to_numeric(raw[name], errors="coerce").astype(float)
        elif name == "timestamp":
            typed[name] = pd.to_datetime(raw[name], errors="coerce", utc=True, format="ISO8601").dt.as_unit("us")
        else:
            typed[name] = raw[name].mask(raw[name] == "")
            bad = raw[name].str.contains("\ufffd", regex=False)
            broken.append(cells(raw.index[bad], name, "encoding"))
            continue
        broken.append(cells(raw.index[typed[name].isna() & (raw[name] != "")], name, "dtype"))
    return pd.DataFrame(typed), broken


def cells(rows: pd.Index, column: str, rule: str) -> pd.DataFrame:
    return pd.DataFrame({"row": rows, "column": column, "rule": rule})


def check(raw: pd.DataFrame, images: set[str], checks: pa.DataFrameSchema) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Clean rows, typed, and quarantined cells (row from 1, column, rule), one a row."""
    typed, broken = parse(raw)
    try:
        checks.validate(typed, lazy=True)
    except pa.errors.SchemaErrors as errors:
        cases = errors.failure_cases
        rules = cases["check"].replace({"not_nullable": "not_null", "field_uniqueness": "unique"})
        broken.append(pd.DataFrame({"row": cases["index"].astype("int64"), "column": cases["column"], "rule": rules}))
    known = typed["creative_id"].isin(images) | typed["creative_id"].isna()
    broken.append(cells(typed.index[~known], "creative_id", "image"))
    found = pd.concat(broken, ignore_index=True).drop_duplicates("row").sort_values("row")
    clean = typed.drop(index=found["row"]).astype(dict.fromkeys(INTS, "int64") | {"clicked": "int8"})
    return clean, found.assign(row=found["row"] + 1)


def read_images(folder: Path) -> dict[str, bytes]:
    """The images that can be decoded, by creative."""
    found = {}
    for path in sorted(folder.glob("*.png")):
        content = path.read_bytes()
        try:
            with Image.open(io.BytesIO(content)) as image:
                image.load()
        except OSError:
            continue
        found[path.stem] = content
    return found


def validate(raw_dir: Path, out_dir: Path) -> None:
    """Write clean/<month>/ and quarantine/<month>.csv below `out_dir`."""
    checks, images = schema(), {}
    (out_dir / "quarantine").mkdir(parents=True, exist_ok=True)
    for folder in sorted(path for path in raw_dir.iterdir() if path.is_dir()):
        month_images = read_images(folder / "creatives")
        images |= month_images
        clean, found = check(read_raw(folder / "impressions.csv"), set(images), checks)
        target = out_dir / "clean" / folder.name
        target.mkdir(parents=True, exist_ok=True)
        clean.to_parquet(target / "impressions.parquet", compression="zstd", compression_level=1, index=False)
        pictures = pd.DataFrame({"creative_id": list(month_images), "image": list(month_images.values())})
        pictures.to_parquet(target / "creatives.parquet", compression="zstd", compression_level=1, index=False)
        found.to_csv(out_dir / "quarantine" / f"{folder.name}.csv", index=False)


def timed(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def main() -> None:
    out_dir = Path(sys.argv[1])
    validate_s = timed(lambda: validate(Path("data/raw"), out_dir))
    fitted = fit(Path("data/split/train.parquet"), Path("artifacts/features.json"))
    encode_s = timed(lambda: encode(fitted, Path("data/split"), Path("data/clean"), out_dir / "encoded"))
    print(json.dumps({"validate_s": validate_s, "encode_s": encode_s}))


if __name__ == "__main__":
    main()
