"""One written month of the exchange: its bytes, its columns, its truth and its dirt."""

import hashlib
from collections import Counter
from pathlib import Path

import polars as pl
import pytest
import yaml
from PIL import Image

from stages.simulate import names
from stages.simulate.config import ExchangeConfig
from stages.simulate.dirt import BROKEN_FIELDS, KINDS, plan_dirt
from stages.simulate.months import month_index
from stages.simulate.write import write_month

DEFAULTS = yaml.safe_load((Path(__file__).parents[2] / "conf/exchange/default.yaml").read_text())
SMALL = {
    "impressions_per_month": 4000,
    "creatives_per_month": 40,
    "num_users": 300,
    "num_sites": 60,
    "num_advertisers": 24,
    "image_size_px": 24,
}
COLUMNS = [
    "impression_id", "timestamp", "hour", "weekday", "site_id", "site_category", "position", "device", "os",
    "region", "user_id", "user_age", "user_segment", "creative_id", "advertiser_id", "ad_category", "ad_format",
    "frequency", "days_since_launch", "floor_price", "ad_server", "currency", "clicked",
]  # fmt: skip


def small_exchange(**changes: object) -> ExchangeConfig:
    return ExchangeConfig(**(DEFAULTS | SMALL | changes))


def written(folder: Path, config: ExchangeConfig, month: str) -> dict[str, str]:
    """Digest of every file of the month, by relative path."""
    write_month(config, month=month, raw_dir=folder / "raw", truth_dir=folder / "truth")
    files = [path for path in sorted(folder.rglob("*")) if path.is_file() and month in path.as_posix()]
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def read_clean(folder: Path, month: str) -> pl.DataFrame:
    return pl.read_csv(folder / "raw" / month / "impressions.csv", try_parse_dates=True)


def read_truth(folder: Path, month: str) -> pl.DataFrame:
    return pl.read_parquet(folder / "truth" / f"{month}.parquet")


def test_same_config_writes_the_same_bytes_and_another_seed_does_not(tmp_path):
    first = written(tmp_path / "a", small_exchange(seed=0), "2026-06")
    again = written(tmp_path / "b", small_exchange(seed=0), "2026-06")
    other = written(tmp_path / "c", small_exchange(seed=1), "2026-06")
    assert first == again
    assert {"raw/2026-06/impressions.csv", "truth/2026-06.parquet"} <= set(first)
    assert first["raw/2026-06/impressions.csv"] != other["raw/2026-06/impressions.csv"]


def test_a_month_does_not_depend_on_the_list_of_months(tmp_path):
    alone = written(tmp_path / "a", small_exchange(months=["2026-06"]), "2026-06")
    among = written(tmp_path / "b", small_exchange(months=["2026-05", "2026-06", "2026-12"]), "2026-06")
    assert alone == among


def test_writing_a_month_again_leaves_nothing_of_the_old_one(tmp_path):
    written(tmp_path, small_exchange(), "2026-06")
    second = written(tmp_path, small_exchange(creatives_per_month=10), "2026-06")
    assert second == written(tmp_path / "fresh", small_exchange(creatives_per_month=10), "2026-06")


def test_month_before_the_opening_is_refused(tmp_path):
    with pytest.raises(ValueError, match="month 2026-04 lies before the exchange opens; ask for 2026-05 or later"):
        write_month(small_exchange(), month="2026-04", raw_dir=tmp_path, truth_dir=tmp_path)


def test_clean_month_has_the_declared_columns_and_values(tmp_path):
    num_rows = write_month(
        small_exchange(dirty_frac=0.0), month="2026-07", raw_dir=tmp_path / "raw", truth_dir=tmp_path / "truth"
    )
    table = read_clean(tmp_path, "2026-07")
    assert table.columns == COLUMNS
    assert table.height == num_rows == 4000
    assert set(table["device"]) <= set(names.DEVICES)
    assert set(table["region"]) <= set(names.REGIONS)
    assert set(table["position"]) == {1, 2, 3, 4, 5}
    assert table["currency"].unique().to_list() == ["EUR"]
    assert table.select(pl.all_horizontal(pl.col("timestamp").dt.strftime("%Y-%m") == "2026-07").all()).item()
    assert table["timestamp"].is_sorted()
    assert (table["hour"] == table["timestamp"].dt.hour()).all()
    assert (table["weekday"] == table["timestamp"].dt.weekday()).all()
    assert table["days_since_launch"].min() > 0.0
    assert table.select(pl.exclude("user_age")).null_count().sum_horizontal().item() == 0


def test_age_is_empty_for_the_configured_share_of_users(tmp_path):
    written(tmp_path, small_exchange(dirty_frac=0.0, num_users=1000, age_missing_frac=0.15), "2026-05")
    table = read_clean(tmp_path, "2026-05")
    by_user = table.group_by("user_id").agg(pl.col("user_age").n_unique().alias("ages"), pl.col("user_age").first())
    assert (by_user["ages"] == 1).all()
    sigma = (0.15 * 0.85 / by_user.height) ** 0.5
    assert by_user["user_age"].null_count() / by_user.height == pytest.approx(0.15, abs=4 * sigma)


def test_frequency_counts_the_users_earlier_views_of_the_creative(tmp_path):
    written(tmp_path, small_exchange(dirty_frac=0.0), "2026-06")
    table = read_clean(tmp_path, "2026-06")
    seen: Counter[tuple[str, str]] = Counter()
    expected = []
    for pair in table.select("user_id", "creative_id").iter_rows():
        expected.append(seen[pair])
        seen[pair] += 1
    assert table["frequency"].to_list() == expected
    assert max(expected) >= 2


def test_truth_holds_each_impression_once_and_agrees_with_the_clicks(tmp_path):
    written(tmp_path, small_exchange(dirty_frac=0.0, impressions_per_month=20_000), "2026-05")
    joined = read_clean(tmp_path, "2026-05").join(read_truth(tmp_path, "2026-05"), on="impression_id", how="inner")
    assert joined.height == joined["impression_id"].n_unique() == read_truth(tmp_path, "2026-05").height == 20_000
    p_true = joined["p_true"].to_numpy()
    assert p_true.min() > 0.0 and p_true.max() < 1.0
    # All rows, then the lower and the upper half: a probability is true if clicks follow it everywhere.
    for rows in (p_true >= 0.0, p_true < 0.03, p_true >= 0.03):
        clicks, expected = joined["clicked"].to_numpy()[rows].sum(), p_true[rows].sum()
        sigma = (p_true[rows] * (1.0 - p_true[rows])).sum() ** 0.5
        assert abs(clicks - expected) < 4.0 * sigma


@pytest.mark.parametrize("target", [0.01, 0.04, 0.2])
def test_click_rate_is_near_the_target(tmp_path, target):
    written(tmp_path, small_exchange(target_ctr=target, drift_std=0.0, impressions_per_month=20_000), "2026-06")
    assert target / 1.35 < read_truth(tmp_path, "2026-06")["p_true"].mean() < target * 1.35


def test_every_shown_creative_has_its_image_except_the_missing_ones(tmp_path):
    config = small_exchange(dirty_frac=0.0, missing_image_frac=0.1)
    written(tmp_path, config, "2026-06")
    table = read_clean(tmp_path, "2026-06")
    images = {path.stem: path for path in (tmp_path / "raw/2026-06/creatives").iterdir()}
    views = table["creative_id"].value_counts().rows()
    missing = {creative_id: count for creative_id, count in views if creative_id not in images}
    assert set(images) <= {creative_id for creative_id, _ in views}
    assert len(missing) == 8  # a tenth of two months' 40 new creatives
    assert sum(missing.values()) < 0.1 * table.height  # rarely shown ones
    for path in images.values():
        with Image.open(path) as image:
            assert (image.format, image.mode, image.size) == ("PNG", "RGB", (24, 24))


def test_dirty_rows_are_there_in_every_kind_and_in_the_planned_number(tmp_path):
    config = small_exchange(dirty_frac=0.05)
    num_rows = write_month(config, month="2026-05", raw_dir=tmp_path / "dirty", truth_dir=tmp_path / "truth")
    clean_config = small_exchange(dirty_frac=0.0)
    write_month(clean_config, month="2026-05", raw_dir=tmp_path / "clean", truth_dir=tmp_path / "truth")
    dirty = (tmp_path / "dirty/2026-05/impressions.csv").read_bytes().splitlines()[1:]
    clean = (tmp_path / "clean/2026-05/impressions.csv").read_bytes().splitlines()[1:]
    assert len(dirty) == num_rows
    doubled = [line for line, count in Counter(dirty).items() if count == 2]
    intact = set(clean)
    broken = Counter(_difference(line, clean) for line in dirty if line not in intact)
    expected = plan_dirt(config.seed, month_index("2026-05"), 4000, 0.05)
    assert len(doubled) == expected.count("duplicate") == num_rows - 4000
    assert len(expected) == 200 and {expected.count(kind) for kind in KINDS} == {
        200 // len(KINDS),
        200 // len(KINDS) + 1,
    }
    assert broken == {BROKEN_FIELDS[kind]: expected.count(kind) for kind in BROKEN_FIELDS}
    assert read_truth(tmp_path, "2026-05").height == 4000


def _difference(line: bytes, clean: list[bytes]) -> tuple[str, bytes]:
    """Column and value in which a dirty line differs from the clean line of the same impression."""
    before = clean[int(line.split(b",")[0]) - int(clean[0].split(b",")[0])]
    pairs = zip(COLUMNS, line.split(b","), before.split(b","), strict=True)
    (difference,) = [(column, value) for column, value, old in pairs if value != old]
    return difference


def test_no_dirt_means_utf8_without_duplicates(tmp_path):
    written(tmp_path, small_exchange(dirty_frac=0.0), "2026-05")
    lines = (tmp_path / "raw/2026-05/impressions.csv").read_text(encoding="utf-8", errors="strict").splitlines()
    assert len(lines) == len(set(lines)) == 4001


SHOCK = {"month": "2026-06", "kind": "collapse", "site_category": "news", "device": "phone", "log_odds": -3.0}


def test_collapse_lowers_only_its_rows_in_only_its_month(tmp_path):
    calm, struck = small_exchange(dirty_frac=0.0), small_exchange(dirty_frac=0.0, shock=SHOCK)
    assert written(tmp_path / "calm", calm, "2026-05") == written(tmp_path / "struck", struck, "2026-05")
    written(tmp_path / "calm", calm, "2026-06")
    written(tmp_path / "struck", struck, "2026-06")
    table = read_clean(tmp_path / "calm", "2026-06")
    odds = [table["p_true"] / (1.0 - table["p_true"]) for table in map(_june_truth, (tmp_path / "calm", tmp_path / "struck"))]
    in_shock = (table["site_category"] == "news") & (table["device"] == "phone")
    assert 20 < in_shock.sum() < 4000
    change = (odds[1] / odds[0]).log()
    assert change.filter(in_shock).to_numpy() == pytest.approx(-3.0, abs=1e-3)
    assert change.filter(~in_shock).to_numpy() == pytest.approx(0.0, abs=1e-12)


def _june_truth(folder: Path) -> pl.DataFrame:
    return read_truth(folder, "2026-06")


def test_palette_flip_changes_clicks_but_not_the_traffic(tmp_path):
    calm, flipped = (
        small_exchange(dirty_frac=0.0),
        small_exchange(dirty_frac=0.0, shock=SHOCK | {"kind": "palette_flip"}),
    )
    written(tmp_path / "calm", calm, "2026-06")
    written(tmp_path / "flipped", flipped, "2026-06")
    tables = [read_clean(tmp_path / name, "2026-06").drop("clicked") for name in ("calm", "flipped")]
    assert tables[0].equals(tables[1])
    truths = [_june_truth(tmp_path / name)["p_true"].to_numpy() for name in ("calm", "flipped")]
    assert abs(truths[0] - truths[1]).max() > 0.01


def test_about_half_of_the_third_month_goes_to_new_creatives(tmp_path):
    written(tmp_path, small_exchange(dirty_frac=0.0, impressions_per_month=20_000), "2026-07")
    launched = read_clean(tmp_path, "2026-07")["creative_id"].str.slice(0, 6)
    assert set(launched) == {"cr2605", "cr2606", "cr2607"}
    assert 0.4 < (launched == "cr2607").mean() < 0.65
