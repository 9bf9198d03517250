"""Faults of inputs that touch a share of the traffic: the rows as broken clients would send them."""

from collections.abc import Callable

import numpy as np
import polars as pl

Fault = Callable[[pl.DataFrame, np.ndarray, np.random.Generator], tuple[pl.DataFrame, str, frozenset[str]]]


def _put(rows: pl.DataFrame, hit_N: np.ndarray, name: str, value: pl.Expr) -> pl.DataFrame:
    return rows.with_columns(pl.when(pl.Series(hit_N)).then(value).otherwise(pl.col(name)).cast(rows.schema[name]).alias(name))


def _one(rng: np.random.Generator, names: tuple[str, ...]) -> str:
    return str(rng.choice(names))


LOW = ("site_category", "device", "os", "region", "user_segment", "ad_category", "ad_format", "ad_server")
ALL = (
    *LOW,
    "site_id",
    "advertiser_id",
    "position",
    "hour",
    "currency",
    "user_age",
    "floor_price",
    "frequency",
    "days_since_launch",
)


def empty(rows: pl.DataFrame, hit_N: np.ndarray, rng: np.random.Generator) -> tuple[pl.DataFrame, str, frozenset[str]]:
    name = _one(rng, (*ALL, "creative_id"))
    return _put(rows, hit_N, name, pl.lit(None)), name, frozenset({"missing"})


def misspelt(rows: pl.DataFrame, hit_N: np.ndarray, rng: np.random.Generator) -> tuple[pl.DataFrame, str, frozenset[str]]:
    name = _one(rng, (*LOW, "site_id", "advertiser_id", "currency"))
    wrong = pl.col(name).str.to_uppercase() if name != "currency" else pl.col(name).str.to_lowercase()
    wrong = wrong if rng.random() < 0.5 else pl.col(name) + "_x"
    return _put(rows, hit_N, name, wrong), name, frozenset({"unknown"})


def local_time(rows: pl.DataFrame, hit_N: np.ndarray, rng: np.random.Generator) -> tuple[pl.DataFrame, str, frozenset[str]]:
    hours = int(rng.choice([1, 2, -5, 8]))
    return _put(rows, hit_N, "hour", (pl.col("hour") + hours) % 24), "hour", frozenset({"offset"})


def cents(rows: pl.DataFrame, hit_N: np.ndarray, rng: np.random.Generator) -> tuple[pl.DataFrame, str, frozenset[str]]:
    return _put(rows, hit_N, "floor_price", pl.col("floor_price") * 100), "floor_price", frozenset({"unit"})


PAIRS = (("device", "os"), ("region", "user_segment"), ("site_category", "ad_category"), ("user_age", "floor_price"))


def swapped(rows: pl.DataFrame, hit_N: np.ndarray, rng: np.random.Generator) -> tuple[pl.DataFrame, str, frozenset[str]]:
    one, other = PAIRS[int(rng.integers(len(PAIRS)))]
    both = _put(_put(rows, hit_N, one, rows[other]), hit_N, other, rows[one])
    return both, one, frozenset({"swapped"})


CONSTANT = (*LOW, "site_id", "advertiser_id", "user_age", "floor_price")


def constant(rows: pl.DataFrame, hit_N: np.ndarray, rng: np.random.Generator) -> tuple[pl.DataFrame, str, frozenset[str]]:
    """A value drawn evenly from those of the column: what a default would be."""
    name = _one(rng, CONSTANT)
    values = rows[name].drop_nulls().unique().sort()
    return _put(rows, hit_N, name, pl.lit(values[int(rng.integers(len(values)))])), name, frozenset({"constant"})


def no_user(rows: pl.DataFrame, hit_N: np.ndarray, rng: np.random.Generator) -> tuple[pl.DataFrame, str, frozenset[str]]:
    return _put(rows, hit_N, "user_id", pl.lit(None)), "user_id", frozenset({"missing"})


def bot(rows: pl.DataFrame, hit_N: np.ndarray, rng: np.random.Generator) -> tuple[pl.DataFrame, str, frozenset[str]]:
    return _put(rows, hit_N, "user_id", pl.lit("user-999999")), "user_id", frozenset({"head"})


def darker(rows: pl.DataFrame, hit_N: np.ndarray, rng: np.random.Generator) -> tuple[pl.DataFrame, str, frozenset[str]]:
    dark = _put(rows, hit_N, "image_brightness", pl.col("image_brightness") * 0.6)
    return _put(dark, hit_N, "image_contrast", pl.col("image_contrast") * 0.6), "image_brightness", frozenset({"darker"})


def shifted(rows: pl.DataFrame, hit_N: np.ndarray, rng: np.random.Generator) -> tuple[pl.DataFrame, str, frozenset[str]]:
    odds = pl.col("probability") / (1 - pl.col("probability")) * float(np.exp(rng.choice([-3.0, 3.0])))
    return _put(rows, hit_N, "probability", odds / (1 + odds)), "p_click", frozenset({"shifted"})


def creative_renamed(rows: pl.DataFrame, hit_N: np.ndarray, rng: np.random.Generator) -> tuple[pl.DataFrame, str, frozenset[str]]:
    """The same creatives, with a suffix or by the numbers of another system."""
    names = rows["creative_id"].unique().sort()
    numbers = {name: str(number) for name, number in zip(names.to_list(), rng.permutation(len(names)) + 10**6, strict=True)}
    other = pl.col("creative_id").replace_strict(numbers, return_dtype=pl.String)
    wrong = pl.col("creative_id") + "_x" if rng.random() < 0.5 else other
    return _put(rows, hit_N, "creative_id", wrong), "creative_id", frozenset({"unknown"})


FAULTS: dict[str, tuple[str, Fault]] = {
    "empty": ("a column is empty", empty),
    "misspelt": ("unknown values: another letter case, or a suffix", misspelt),
    "local_time": ("the hour is local time", local_time),
    "cents": ("the price is in cents", cents),
    "swapped": ("two columns are swapped", swapped),
    "constant": ("a column is constant", constant),
    "no_user": ("the user id is missing", no_user),
    "bot": ("one user id for all", bot),
    "darker": ("images are darker", darker),
    "shifted": ("predictions are shifted by 3 in the logit", shifted),
    "creative_renamed": ("creatives renamed: a suffix, or other numbers", creative_renamed),
}
