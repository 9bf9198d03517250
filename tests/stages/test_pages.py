"""Page views: same bytes twice, clicks by p_true, candidates that differ, and faults that touch what they say."""

import hashlib
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from PIL import Image

from stages.pages.__main__ import fault_of, parse
from stages.pages.draw import draw_page_views
from stages.pages.faults import WorldFault
from stages.pages.write import pages_table, write_pages
from stages.simulate.months import month_index, month_start_s
from stages.simulate.write import write_month
from tests.stages.test_simulate_month import small_exchange

MONTH, PAGES, K = "2026-08", 1500, 4
SINCE_S = month_start_s(month_index(MONTH)) + 10 * 86_400


def table(fault: WorldFault | None = None, pages: int = PAGES, **changes: object) -> pl.DataFrame:
    return pages_table(draw_page_views(small_exchange(**changes), MONTH, pages, K, fault), MONTH)


def fault(kind: str, **changes: object) -> WorldFault:
    return WorldFault(**{"kind": kind, "since_s": SINCE_S, "share": 1.0} | changes)


def digests(folder: Path) -> dict[str, str]:
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def pixels(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path), dtype=float)


def test_same_settings_write_the_same_bytes_and_a_month_that_is_there_is_left_alone(tmp_path):
    config = small_exchange()
    assert write_pages(config, MONTH, 200, K, None, tmp_path / "a") and write_pages(config, MONTH, 200, K, None, tmp_path / "b")
    first = digests(tmp_path / "a")
    assert first == digests(tmp_path / "b") and f"{MONTH}/pages.parquet" in first
    assert not write_pages(config, MONTH, 200, K, None, tmp_path / "a")
    assert write_pages(config, MONTH, 201, K, None, tmp_path / "a") and digests(tmp_path / "a") != first


def test_a_page_view_has_different_candidates_and_one_of_everything_else():
    pages = table().group_by("page").agg(
        pl.len(), pl.col("creative_id").n_unique().alias("creatives"),
        *(pl.col(name).n_unique().alias(name) for name in ("timestamp", "user_id", "site_id", "device", "position", "hour")),
    )  # fmt: skip
    assert len(pages) == PAGES and set(pages["len"]) == {K} == set(pages["creatives"])
    assert all(set(pages[name]) == {1} for name in ("timestamp", "user_id", "site_id", "device", "position", "hour"))


def test_frequency_counts_the_users_earlier_page_views_with_the_creative():
    rows = table()
    seen: dict[tuple[str, str], int] = {}
    for user, creative, frequency in rows.select("user_id", "creative_id", "frequency").iter_rows():
        assert frequency == seen.get((user, creative), 0)
        seen[user, creative] = frequency + 1
    assert rows["frequency"].max() > 3


def test_whoever_is_shown_clicks_with_p_true():
    """Whatever is chosen by: clicks less their expectation, in standard deviations of a sum of Bernoulli draws, over worlds."""
    scores = []
    for seed in range(12):
        rows = table(pages=3000, seed=seed)
        p, clicked = rows["p_true"].to_numpy(), (rows["luck"] < rows["p_true"]).to_numpy()
        some = np.random.default_rng(seed).random(len(rows)) < 0.25
        choices = (np.ones(len(rows), bool), some, p > 0.05, p < 0.02)
        scores.append([(clicked[c].sum() - p[c].sum()) / np.sqrt((p[c] * (1 - p[c])).sum()) for c in choices])
    assert np.abs(np.mean(scores, axis=0)).max() < 4 / np.sqrt(12)
    assert np.std(scores, axis=0).min() > 0.4 and np.std(scores, axis=0).max() < 1.8


def test_rows_are_like_impressions_of_the_same_month(tmp_path):
    """Shares of what the page brings, and means of what candidates bring, against the month that `stages/simulate` writes."""
    config = small_exchange(dirty_frac=0.0, impressions_per_month=20_000, num_users=2000)
    write_month(config, MONTH, tmp_path / "raw", tmp_path / "truth")
    month = pl.read_csv(tmp_path / "raw" / MONTH / "impressions.csv").join(
        pl.read_parquet(tmp_path / "truth" / f"{MONTH}.parquet"), on="impression_id"
    )
    rows = pages_table(draw_page_views(config, MONTH, 5000, K, None), MONTH)
    for name in ("position", "device", "ad_format", "ad_category"):
        of_month, of_rows = (frame[name].value_counts(normalize=True).sort(name)["proportion"] for frame in (month, rows))
        assert (of_month - of_rows).abs().max() < 0.04, name
    for name, apart in (("p_true", 0.006), ("floor_price", 0.1), ("frequency", 0.5), ("days_since_launch", 3.0)):
        assert abs(month[name].mean() - rows[name].mean()) < apart, name
    assert abs((month["frequency"] == 0).mean() - (rows["frequency"] == 0).mean()) < 0.03
    assert set(month.columns) - {"clicked"} < set(rows.columns)


@pytest.mark.parametrize("kind", ["drift", "new_site", "bot", "dark_images"])
def test_a_fault_leaves_what_came_before_it_as_it_was(kind):
    before = pl.col("timestamp") < pl.from_epoch(pl.lit(SINCE_S), time_unit="s")
    usual, faulty = table(), table(fault(kind, share=0.3, size=0.5))
    assert faulty.filter(before).drop("frequency").equals(usual.filter(before).drop("frequency"))
    assert faulty.filter(before).equals(usual.filter(before)) and len(usual.filter(before)) > 1000
    assert (faulty["p_true"] != usual["p_true"]).any() == (kind != "dark_images")


def test_a_drift_moves_log_odds_by_its_size_once_it_is_there():
    usual, faulty = table(pages=4000), table(fault("drift", size=0.5, over_days=5.0), pages=4000)
    moved = np.log(faulty["p_true"] / (1 - faulty["p_true"])) - np.log(usual["p_true"] / (1 - usual["p_true"]))
    day = (usual["timestamp"].dt.epoch("s") - SINCE_S) / 86_400
    late = moved.filter(day >= 5).to_numpy()
    assert 0.4 < late.std() < 1.2  # of three tastes, each of standard deviation 0.5; the palette's is scaled by its warmth
    assert np.abs(moved.filter(day < 0).to_numpy()).max() < 1e-5
    assert 0.2 < moved.filter((day > 2) & (day < 3)).std() / late.std() < 0.8


def test_a_new_site_has_ids_that_nobody_has_seen():
    usual, faulty = table(), table(fault("new_site", share=0.2))
    new = faulty.filter(pl.col("site_id") == "site-0061")
    assert set(new["user_id"]).isdisjoint(usual["user_id"]) and set(new["site_category"]) <= set(usual["site_category"])
    after = faulty.filter(pl.col("timestamp").dt.epoch("s") >= SINCE_S)
    assert new["timestamp"].dt.epoch("s").min() >= SINCE_S and 0.15 < len(new) / len(after) < 0.25
    assert new["floor_price"].min() >= 0.05 and faulty["user_id"].str.contains(r"^user-\d{6,}$").all()


def test_a_bot_clicks_whatever_it_is_shown():
    faulty = table(fault("bot", share=0.05))
    bot = faulty.filter(pl.col("user_id") == "user-000301")
    assert len(bot) > 100 and (bot["luck"] < bot["p_true"]).all()
    assert bot["device"].n_unique() == 1 and faulty.filter(pl.col("user_id") != "user-000301")["p_true"].max() < 0.9


def test_dark_images_are_those_of_creatives_that_go_live_later(tmp_path):
    config = small_exchange()
    write_pages(config, MONTH, 300, K, None, tmp_path / "usual")
    write_pages(config, MONTH, 300, K, fault("dark_images", size=0.5), tmp_path / "faulty")
    views = draw_page_views(config, MONTH, 300, K)
    live_from = dict(zip(views.creatives.creative_id_C, views.creatives.live_from_s_C, strict=True))
    darker = 0
    for path in (tmp_path / "usual" / MONTH / "creatives").glob("*.png"):
        usual, faulty = (pixels(tmp_path / one / MONTH / "creatives" / path.name) for one in ("usual", "faulty"))
        is_late = live_from[path.stem] >= SINCE_S
        assert np.abs(faulty - (usual * 0.5 if is_late else usual)).max() <= 0.5
        darker += is_late
    assert darker > 3


def test_too_few_creatives_and_months_before_the_exchange_are_refused():
    with pytest.raises(ValueError, match="8 creatives are live when the month begins, fewer than 9 candidates; ask for fewer"):
        draw_page_views(small_exchange(first_month=MONTH, months=[MONTH]), MONTH, 10, 9)
    with pytest.raises(ValueError, match="month 2026-08 lies before the exchange opens; ask for 2026-09 or later"):
        draw_page_views(small_exchange(first_month="2026-09", months=["2026-09"]), MONTH, 10, 2)
    assert len(draw_page_views(small_exchange(first_month=MONTH, months=[MONTH]), MONTH, 10, 7)) == 70


def test_the_command_says_what_is_wrong_with_what_it_was_told():
    usual = ["--months", MONTH, "--out", "x", "--candidates", "4", "--pages", "10"]
    assert fault_of(parse(usual)) is None
    asked = fault_of(parse([*usual, "--fault", "drift", "--since", "2026-08-11", "--size", "0.5"]))
    assert asked == fault("drift", size=0.5)
    for more, sentence in (
        (["--fault", "bot"], "--fault and --since are given together"),
        (["--fault", "bot", "--since", "noon"], "--since must be a date or a time such as 2026-08-11T12:00, got 'noon'"),
        (["--fault", "bot", "--since", "2026-08-11", "--share", "0"], "--share must be above 0 and at most 1, got 0"),
        (["--pages", "0"], "--candidates and --pages must be at least 1, got 4 and 0"),
    ):
        with pytest.raises(ValueError, match=sentence):
            fault_of(parse([*usual, *more]))
