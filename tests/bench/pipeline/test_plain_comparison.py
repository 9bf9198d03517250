"""The plain comparison of bench/ does the work of validate and encode: same clean rows, same quarantine, same ids."""

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from bench.pipeline import plain_pandas
from bench.pipeline.plain_encode import encode, fit
from bench.workspace import Workspace, workspace

NUMERIC = {"user_age", "frequency", "days_since_launch", "floor_price"}


@pytest.fixture(scope="module")
def space() -> Workspace:
    sizes = {"impressions_per_month": 4000, "creatives_per_month": 40, "num_users": 300, "dirty_frac": 0.05}
    with workspace([f"exchange.{key}={value}" for key, value in sizes.items()] + ["validate.max_share=0.2"]) as made:
        made.stages("acquire", "validate", "split", "fit", "encode")
        plain_pandas.validate(made.root / "data/raw", made.root / "plain")
        fitted = fit(made.root / "data/split/train.parquet", made.root / "artifacts/features.json")
        encode(fitted, made.root / "data/split", made.root / "data/clean", made.root / "plain/encoded")
        yield made


def months(space: Workspace) -> list[str]:
    return sorted(path.name for path in (space.root / "data/clean").iterdir())


def test_plain_validation_finds_the_same_clean_rows(space: Workspace) -> None:
    assert len(months(space)) == 3
    for month in months(space):
        ours = pl.read_parquet(space.root / "data/clean" / month / "impressions.parquet")
        plain = pl.read_parquet(space.root / "plain/clean" / month / "impressions.parquet")
        assert len(ours) > 3000
        assert_frame_equal(plain.select(ours.columns).cast(ours.schema), ours)


def test_plain_validation_quarantines_the_same_cells_for_the_same_rules(space: Workspace) -> None:
    for month in months(space):
        ours = pl.read_csv(space.root / "data/quarantine" / f"{month}.csv").select("row", "column", "rule")
        plain = pl.read_csv(space.root / "plain/quarantine" / f"{month}.csv")
        assert len(ours) > 150
        assert set(ours["row"]) == set(plain["row"])
        # a row with several broken cells is told by one of them, which need not be the same one
        both = ours.join(plain, on="row", suffix="_plain")
        assert (both["column"] == both["column_plain"]).mean() > 0.95
        same_cell = both.filter(pl.col("column") == pl.col("column_plain"))
        assert same_cell["rule"].to_list() == same_cell["rule_plain"].to_list()


@pytest.mark.parametrize("split", ["train", "val", "test"])
def test_plain_encoding_gives_the_same_ids_up_to_their_names(space: Workspace, split: str) -> None:
    ours, plain = load(space.root / "data/encoded" / split), load(space.root / "plain/encoded" / split)
    names = [field["name"] for field in read_spec(space)["categorical"]]
    assert ours["cat_idx"].shape == plain["cat_idx"].shape
    order = sorted(names, key=lambda name: name.removesuffix("__bucket") in NUMERIC)  # plain code puts the buckets last
    for name in names:
        left, right = ours["cat_idx"][:, names.index(name)], plain["cat_idx"][:, order.index(name)]
        pairs = np.unique(np.stack([left, right]), axis=1)
        assert len(pairs[0]) == len(np.unique(left)) == len(np.unique(right)), name
    assert np.array_equal(ours["label"], plain["label"])


@pytest.mark.parametrize("split", ["train", "val", "test"])
def test_plain_encoding_gives_the_same_numbers_and_the_same_creatives(space: Workspace, split: str) -> None:
    ours, plain = load(space.root / "data/encoded" / split), load(space.root / "plain/encoded" / split)
    np.testing.assert_allclose(sorted_columns(ours["num_feats"]), sorted_columns(plain["num_feats"]), atol=2e-5)
    our_pixels = np.load(space.root / "data/encoded/creatives.npy")
    plain_pixels = np.load(space.root / "plain/encoded/creatives.npy")
    assert np.array_equal(our_pixels[ours["creative_idx"]], plain_pixels[plain["creative_idx"]])


def load(folder: Path) -> dict[str, np.ndarray]:
    return {path.stem: np.load(path) for path in folder.glob("*.npy")}


def sorted_columns(array: np.ndarray) -> np.ndarray:
    """Columns in an order that does not depend on where they stood."""
    return array[:, np.lexsort(np.round(array[:50], 3))]


def read_spec(space: Workspace) -> dict:
    return json.loads((space.root / "data/encoded/spec.json").read_text())


def test_the_stages_are_measured_by_processes_of_their_own(space: Workspace) -> None:
    ran = space.module("bench.pipeline.timed_stage", "split")
    assert '"work_s"' in ran.stdout
    assert ran.peak_mib > 50
    assert ran.cpu_s > 0
