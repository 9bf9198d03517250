"""What users are after: rows tell tags and earlier clicks, never later ones, and clicks follow both."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from pydantic import TypeAdapter

from contracts.dataset.declaration import Declaration
from stages.simulate.config import ExchangeConfig, InterestsConfig
from stages.simulate.interests import clicks_before, draw_interests
from stages.simulate.write import write_month
from tests.stages.pipeline_world import composed, run, write_params

WANTED = InterestsConfig(lasting=1.0, current=2.5, most_tags=3, longest=3, delay_s=60)
SMALL = (
    "exchange.impressions_per_month=6000",
    "exchange.num_users=60",
    "exchange.creatives_per_month=20",
    "exchange.dirty_frac=0",
)


def exchange(*overrides: str, **changes: object) -> ExchangeConfig:
    values = composed("exchange=histories", *SMALL, "exchange.image_size_px=16", *overrides)["exchange"]
    return replace(TypeAdapter(ExchangeConfig).validate_python(values), target_ctr=0.2, **changes)


@pytest.fixture(scope="module")
def month(tmp_path_factory) -> pl.DataFrame:
    folder = tmp_path_factory.mktemp("exchange")
    write_month(exchange(interests=WANTED), "2026-06", folder / "raw", folder / "truth")
    rows = pl.read_csv(folder / "raw/2026-06/impressions.csv", try_parse_dates=True)
    return rows.with_columns(pl.col(pl.String).fill_null(""))


def test_a_row_tells_the_last_clicks_of_its_user_that_are_old_enough(month):
    told = 0
    rows = month.sort("timestamp", maintain_order=True).to_dicts()
    for i, row in enumerate(rows[:1500]):
        seen = [
            (one["creative_id"], one["ad_category"])
            for one in rows[:i]
            if one["user_id"] == row["user_id"] and one["clicked"] and (row["timestamp"] - one["timestamp"]).total_seconds() >= 60
        ][-3:]
        assert row["last_creatives"] == "|".join(creative for creative, _ in seen)
        assert row["last_categories"] == "|".join(category for _, category in seen)
        told += len(seen)
    assert told > 1000


def test_a_click_within_the_delay_and_one_of_the_same_second_are_not_told():
    user = np.array([0, 1, 0, 0, 0, 1])
    time = np.array([100, 100, 100, 159, 160, 5000])
    clicked = np.array([True, True, False, False, True, False])
    first, end, rows = clicks_before(user, time, clicked, longest=1, delay_s=60)
    assert [rows[a:b].tolist() for a, b in zip(first, end, strict=True)] == [[], [], [], [], [0], [1]]


def test_clicks_follow_tags_and_what_is_sought(month):
    liked = month.filter(pl.col("interests").str.contains(pl.col("ad_category"), literal=True))["clicked"].mean()
    others = month.filter(~pl.col("interests").str.contains(pl.col("ad_category"), literal=True))["clicked"].mean()
    assert liked > 1.3 * others
    before = month.filter(pl.col("last_categories") != "").with_columns(
        again=pl.col("last_categories").str.contains(pl.col("ad_category"), literal=True)
    )
    rates = dict(before.group_by("again").agg(pl.col("clicked").mean()).iter_rows())
    assert rates[True] > 1.3 * rates[False]
    assert month["clicked"].mean() == pytest.approx(0.2, abs=0.06)


def test_what_is_sought_changes_with_the_month_and_tags_do_not():
    june, july = (draw_interests(exchange(interests=WANTED), month) for month in (317, 318))
    assert (june.lasting_UC == july.lasting_UC).all() and (june.current_U != july.current_U).mean() > 0.8
    assert june.lasting_UC.sum(axis=1).max() == 3
    odds = june.log_odds(np.zeros(12, dtype=int), np.arange(12))
    assert odds.mean() == pytest.approx(0) and odds.max() > 1.5


def test_without_interests_a_month_is_what_it_was(tmp_path):
    """The columns alone differ where users are after nothing: the same people see the same creatives."""
    plain, after = exchange(interests=None), exchange(interests=replace(WANTED, lasting=0.0, current=0.0))
    for name, config in (("plain", plain), ("after", after)):
        write_month(config, "2026-06", tmp_path / name, tmp_path / name / "truth")
    tables = [pl.read_csv(tmp_path / name / "2026-06/impressions.csv") for name in ("plain", "after")]
    assert tables[1].drop("interests", "last_creatives", "last_categories").equals(tables[0])
    assert (tmp_path / "plain/truth/2026-06.parquet").read_bytes() == (tmp_path / "after/truth/2026-06.parquet").read_bytes()


def test_the_declaration_reads_them(project):
    small = (*SMALL, "exchange.image_size_px=16", "exchange.months=[2026-05,2026-06]", "data=simulated_histories")
    params = composed("exchange=histories", *small)
    write_params(params["data"], ("exchange=histories", *small))
    run("acquire", "validate", "split", "fit")
    declaration = TypeAdapter(Declaration).validate_python(params["data"])
    clean = pl.read_parquet("data/clean/2026-06/impressions.parquet")
    assert [column.name for column in declaration.lists] == ["interests", "last_creatives", "last_categories"]
    assert 0.1 < clean["last_creatives[0]"].is_not_null().mean() < 1.0
    newest = clean.filter(pl.col("last_creatives[1]").is_not_null())
    assert (newest["last_creatives[0]"] != newest["last_creatives[1]"]).any()


@pytest.mark.parametrize(("key", "value"), [("delay_s", 0), ("longest", 0), ("most_tags", 13), ("current", 9.0)])
def test_impossible_interests_are_refused(key, value):
    with pytest.raises(ValueError, match=f"exchange.interests.{key} must be"):
        replace(WANTED, **{key: value})
