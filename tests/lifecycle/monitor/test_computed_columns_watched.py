"""Computed columns in monitor and skew: watched as the model computed them, and held against what the pipeline counts."""

from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_series_equal

from lifecycle.monitor.counts.plan import plan_of
from lifecycle.monitor.counts.summaries import _read
from lifecycle.monitor.quality.area import slices_of
from lifecycle.monitor.quality.labelled import quality_columns
from lifecycle.monitor.skew.compare import SkewReport, compare_sides
from lifecycle.rollout.evidence.watched import _of_few_values
from stages.files import read_json, write_json
from tests.lifecycle.monitor.played import monitor_config
from tests.stages.computed_world import COMPUTED
from tests.stages.pipeline_world import CONF
from tests.stages.served_labels import declared_data

DECLARATION = declared_data(COMPUTED)
SENT = ("site", "ad", "age", "view", "user_clicks", "price", "ad_rate")


@pytest.fixture
def world(exported_as, project) -> Path:
    """A folder with the pipeline's clean rows, where the commands of the life cycle run."""
    folder = exported_as("computed")
    (project / "data").mkdir()
    (project / "data/clean").symlink_to(folder / "data/clean")
    (project / "params.yaml").symlink_to(CONF.parent / "params.yaml")
    return folder


def write_answers(rows: pl.DataFrame, journal: Path) -> Path:
    """As `lifecycle.journal` makes Parquet of answers to the month's rows."""
    answers = rows.select(
        *SENT,
        prediction_id=pl.format("p{}", "id"),
        row=pl.lit(0, pl.UInt32),
        key=pl.col("id").cast(pl.String),
        answered_at="t",
        event_at="t",
        release=pl.lit(1, pl.Int64),
        probability=pl.lit(0.5, pl.Float32),
        site_view__id=pl.lit(2, pl.UInt32),
    )
    path = journal / "served/answered_day=2024-02-01/answered_hour=00/a.parquet"
    path.parent.mkdir(parents=True, exist_ok=True)
    answers.write_parquet(path)
    return path


def compare(world: Path, served: pl.DataFrame) -> SkewReport:
    write_answers(served, Path("journal"))
    month = world / "source/2024-02/rows.csv"
    return compare_sides(month, Path("journal"), DECLARATION, monitor_config().skew, Path("monitor"), Path("key"), 5)


def month_of(world: Path) -> pl.DataFrame:
    rows = pl.read_parquet(world / "data/split/test.parquet")
    return rows.filter(pl.col("t").dt.month() == 2)


def test_nothing_differs_where_callers_count_as_the_pipeline_does(world):
    rows = month_of(world).with_columns(pl.col("ad_rate").cast(pl.Float32).cast(pl.Float64))
    report = compare(world, rows)
    assert [one.name for one in report.columns if one.different] == [] and report.absent == ()
    assert {one.name for one in report.columns} == {*SENT}
    assert report.matched == len(rows) == 300


def test_a_caller_that_counts_otherwise_is_named(world):
    rows = month_of(world).with_columns(user_clicks=pl.col("user_clicks") + 1)
    report = compare(world, rows)
    assert {one.name: (one.kind, one.different) for one in report.columns if one.different} == {"user_clicks": ("offset", 300)}


def test_the_month_counts_once_whether_the_pipeline_has_it_or_not(world):
    before = month_of(world)
    clean = Path("data/clean")
    only_first = Path("data/first/2024-01")
    only_first.mkdir(parents=True)
    (only_first / "impressions.parquet").symlink_to(clean.resolve() / "2024-01/impressions.parquet")
    clean.unlink()
    clean.symlink_to(Path("data/first").resolve())
    assert [one.name for one in compare(world, before).columns if one.different] == []


def test_without_the_pipelines_rows_nothing_can_be_counted(world):
    Path("data/clean").unlink()
    with pytest.raises(ValueError, match="user_clicks, ad_rate are counted so far over all earlier months, and"):
        compare(world, month_of(world))


def test_a_months_file_without_labels_cannot_be_counted(world):
    write_answers(month_of(world), Path("journal"))
    month = Path("2024-02.csv")
    pl.read_csv(world / "source/2024-02/rows.csv").drop("y").write_csv(month)
    with pytest.raises(ValueError, match="'?y'?"):
        compare_sides(month, Path("journal"), DECLARATION, monitor_config().skew, Path("monitor"), Path("key"), 5)


def test_what_the_model_computes_is_watched_under_its_name(world):
    rows = month_of(world)
    found = _read([write_answers(rows, Path("journal"))], DECLARATION)
    for name in ("age_by_price", "gap", "site_view", "ad_site_view"):
        assert_series_equal(found[name], rows[name])
    profile = read_json(world / "artifacts/reference_profile.json")
    plan = plan_of(DECLARATION, profile, found.columns)
    assert {"age_by_price", "gap", "site_view", "user_clicks", "ad_rate"} <= {column.name for column in plan.columns}
    assert plan.column("site_view").values == tuple(profile["columns"]["site_view"]["shares"])
    path = write_answers(rows, Path("journal"))
    pl.read_parquet(path).with_columns(site_view__id=pl.lit(None, pl.UInt32)).write_parquet(path)
    assert "site_view" not in _read([path], DECLARATION).columns  # hidden in the journal
    without = _read([write_answers(rows, Path("journal"))], declared_data(COMPUTED | {"columns": COMPUTED["columns"][1:]}))
    assert "site_view" not in without.columns and "gap" in without.columns


def test_crosses_are_no_slices_of_what_was_served(tmp_path):
    assert "site_view" not in quality_columns(DECLARATION, ["site", "site_view"]).slices
    assert "site_view" not in slices_of(DECLARATION)
    fields = [{"name": column.name, "num_ids": 6} for column in DECLARATION.features]
    write_json(tmp_path / "features.json", {"categorical": fields})
    assert _of_few_values(tmp_path, DECLARATION) == ["site", "view", "cold_start"]
