"""Computed columns from raw files to splits, arrays and scores: counted by time over all months, scored as evaluated."""

import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from contracts.dataset.source import SourceError
from lifecycle.erase.source import count, raw_files
from lifecycle.erase.wanted import wanted_of
from stages import fit, score
from stages.files import digests_below, read_json
from stages.scoring.scorer import score_split
from tests.stages.computed_world import COMPUTED, COUNTED, MADE, computed_rows
from tests.stages.declared_worlds import write_declared
from tests.stages.pipeline_world import declaration, run, write_params
from tests.stages.served_labels import declared_data, journalled

SPLITS = ("train", "val", "test")
READ = [column["name"] for column in COMPUTED["columns"] if column not in (*COUNTED, *MADE)]


def splits(folder: Path = Path()) -> pl.DataFrame:
    return pl.concat([pl.read_parquet(folder / f"data/split/{name}.parquet") for name in SPLITS])


def written(folder: Path) -> None:
    for month in (1, 2):
        write_declared(COMPUTED)(folder / "source", month, 300)


def test_what_is_so_far_is_counted_over_all_months_and_only_before(project):
    written(project)
    write_params(COMPUTED)
    run("acquire", "validate", "split")
    rows = splits().sort("id")
    raw = pl.concat([computed_rows(month, 300) for month in (1, 2)]).with_columns(pl.col("t").str.to_datetime(time_zone="UTC"))
    assert rows["id"].to_list() == raw["id"].to_list()
    clicks, rates = [], []
    for user, ad, view, time in raw.select("user", "ad", "view", "t").iter_rows():
        before = raw.filter((pl.col("user") == user) & (pl.col("t") < time - pl.duration(days=1)))
        clicks.append(before["y"].sum())
        same = raw.filter((pl.col("ad") == ad) & (pl.col("view") == view) & (pl.col("t") < time))
        rates.append((same["y"].sum() + 20 * 0.4) / (len(same) + 20))
    assert rows["user_clicks"].to_list() == clicks and max(clicks) > 5
    assert rows["ad_rate"].to_list() == rates
    assert "user_clicks" not in pl.read_parquet("data/clean/2024-01/impressions.parquet").columns
    assert rows["site_view"].to_list() == [f"{site}|{view}" for site, view in raw.select("site", "view").iter_rows()]


def test_a_later_month_changes_nothing_before_it_and_validates_alone(project, capsys):
    written(project)
    write_params(COMPUTED | {"split": {"by": "time", "val_frac": 0.2, "test_frac": 0.2}})
    run("acquire", "validate", "split")
    before, kept = splits().sort("id"), read_json(Path("data/clean/2024-01/report.json"))
    write_declared(COMPUTED)(project / "source", 3, 100)
    run("acquire", "validate", "split")
    after = splits().sort("id")
    assert after[: len(before)].equals(before) and len(after) == 700
    assert read_json(Path("data/clean/2024-01/report.json")) == kept


def test_rows_that_were_served_with_what_was_counted_make_the_same_arrays(project):
    written(project)
    write_params(COMPUTED)
    run("acquire", "validate", "split", "fit", "encode")
    declaration, arrays, rows = declared_data(COMPUTED), digests_below(Path("data/encoded")), splits().sort("id")
    for month, part in rows.group_by(pl.col("t").dt.strftime("%Y-%m"), maintain_order=True):
        folder = project / "served_labels" / str(month[0])
        folder.mkdir(parents=True)
        journalled(part, declaration).drop(column["name"] for column in MADE).write_parquet(folder / "impressions.parquet")
    images = project / "served_labels/2024-01/creatives"
    (project / "source/2024-01/ads").rename(images)
    write_params(COMPUTED | {"source": COMPUTED["source"] | {"kind": "served", "served": "served_labels"}})
    run("acquire", "validate", "split", "fit", "encode")
    assert digests_below(Path("data/encoded")) == arrays


@pytest.fixture
def scored(exported_as, project, monkeypatch):
    """Scores a file with the model of the world, in a folder that has its clean rows; by id, float32."""
    world = exported_as("computed")
    (project / "data").mkdir()
    (project / "data/clean").symlink_to(world / "data/clean")

    def scores(path: Path) -> dict[int, float]:
        monkeypatch.setattr(sys, "argv", ["score", str(path), "out.parquet", "--model", str(world / "artifacts/export")])
        score.main()
        return dict(pl.read_parquet("out.parquet").select("id", pl.col("p_click").cast(pl.Float32)).iter_rows())

    return world, scores


def test_a_month_that_the_pipeline_has_is_scored_as_it_was_evaluated(scored, project, capsys):
    world, scores = scored
    test = pl.read_parquet(world / "data/split/test.parquet")
    p = score_split(world / "artifacts/export", world / "data/split/test.parquet")
    expected = dict(zip(test["id"].to_list(), p.tolist(), strict=True))
    assert scores(world / "data/raw/2024-02/2024-02/rows.csv") == expected and p.std() > 0.02
    assert (
        "ad_rate, user_clicks are counted over the rows of data/clean; rows that are scored count for none"
        in capsys.readouterr().err
    )
    test.select([*READ, "user_clicks", "ad_rate"]).write_csv(project / "given.csv")
    assert scores(project / "given.csv") == expected
    assert "counted over" not in capsys.readouterr().err
    other = test.select([*READ, "ad_rate"]).with_columns(user_clicks=pl.lit(40))
    other.write_csv(project / "other.csv")
    assert np.abs(np.array(list(scores(project / "other.csv").values())) - p).max() > 1e-4


def test_rows_to_score_hold_all_that_is_counted_or_nothing(scored, project):
    world, scores = scored
    test = pl.read_parquet(world / "data/split/test.parquet")
    test.select([*READ, "ad_rate"]).write_csv(project / "some.csv")
    with pytest.raises(SourceError, match="some.csv has ad_rate and lacks user_clicks; it says all that is counted so far, or"):
        scores(project / "some.csv")
    (project / "data/clean").unlink()
    test.select(READ).write_csv(project / "none.csv")
    with pytest.raises(
        SourceError, match="none.csv lacks ad_rate, user_clicks, which are counted over earlier rows, and data/clean has"
    ):
        scores(project / "none.csv")


def test_selection_keeps_what_a_cross_is_of(project):
    """Neither site nor view says anything alone."""
    columns = [column | {"keep": False} if column["name"] == "view" else column for column in COMPUTED["columns"]]
    written(project)
    write_params(COMPUTED | {"columns": columns}, ("features.selection.min_z=30", "features.selection.min_columns=1"))
    run("acquire", "validate", "split")
    fit.main()
    found = {one["name"]: (one["kept"], one["reason"]) for one in read_json(Path("reports/selection.json"))["columns"]}
    assert found["view"] == (True, "'site_view', which is kept, is made of it")
    features = read_json(Path("artifacts/features.json"))
    assert {"site", "view", "site_view", "ad_site_view"} <= {field["name"] for field in features["categorical"]}
    assert not {one["name"] for one in features["computed"]} & {one["name"] for one in features["inputs"]}
    assert {"name": "gap", "kind": "numeric", "operation": "difference", "of": ["price", "age"]} in features["computed"]
    profile = read_json(Path("artifacts/reference_profile.json"))["columns"]
    assert sum(profile["site_view"]["shares"].values()) == pytest.approx(1) and "site 0|2" in profile["site_view"]["shares"]


def test_a_training_does_not_start_from_a_champion_where_columns_are_computed():
    nothing = {"inputs": [], "categorical": []}
    words = "train.start is champion, but column 'site_view' is computed inside the model"
    with pytest.raises(ValueError, match=words):
        fit.refuse_computed(declared_data(COMPUTED), nothing)
    plain = declared_data(declaration())
    fit.refuse_computed(plain, nothing)
    with pytest.raises(ValueError, match=words):
        fit.refuse_computed(plain, nothing | {"computed": [{"name": "site_view"}]})


def test_files_without_a_header_are_told_by_the_columns_that_they_hold(project):
    """Of one who is to be erased, too."""
    source = COMPUTED["source"] | {"format": {"header": False}}
    data = COMPUTED | {"source": source, "images": None}
    folder = project / "source/2024-01"
    folder.mkdir(parents=True)
    computed_rows(1, 50).select(READ).write_csv(folder / "rows.csv", include_header=False)
    write_params(data)
    run("acquire", "validate")
    assert len(pl.read_parquet("data/clean/2024-01/impressions.parquet")) == 50
    wanted = wanted_of(declared_data(data), "u14", in_caller_keys=False, key=None)
    theirs = sum(count(file, wanted) for file in raw_files(declared_data(data), wanted, project))
    assert theirs == (computed_rows(1, 50)["user"] == "u14").sum() > 0
