"""What `make live` is told: settings, faults, overrides; each fault's file composes and does what it says."""

from datetime import date
from pathlib import Path

import polars as pl
import pytest
import yaml

from contracts.dataset.config_errors import ConfigError
from lifecycle.live import pages
from lifecycle.live.clients import sent_rows, struck_clients
from lifecycle.live.months import days_of, fault_since_ms, months_after, start_ms
from lifecycle.live.pages import MonthPages, arguments, draw_pages, known_creatives, refuse_other_settings
from lifecycle.live.settings import faults, load_live_config, played_world
from stages.compose import compose_params
from stages.pages.__main__ import fault_of, parse
from stages.settings import check_all
from tests.lifecycle.live.live_world import MONTH, SMALL, a_play, live_config
from tests.stages.pipeline_world import CONF, composed

FAULTS = [path.stem for path in (CONF / "live").glob("*.yaml") if path.stem not in ("default", "whole")]
CLIENT = {"broken_hour": "hour", "cents": "floor_price", "empty_column": "user_age"}


@pytest.mark.parametrize("name", FAULTS)
def test_each_fault_composes_and_is_what_make_live_reads(tmp_path, name):
    params = compose_params(CONF, [f"live={name}"])
    check_all(params)
    assert params["live"]["fault"]["kind"] == name and name in faults(CONF / "live")
    config = live_config(tmp_path, fault=name)
    assert config.fault is not None and vars(config.fault).items() >= params["live"]["fault"].items()
    assert {key: value for key, value in params["live"].items() if key != "fault"} == {
        key: value for key, value in composed()["live"].items() if key != "fault"
    }


def test_without_a_fault_there_is_none_and_a_month_takes_as_long_as_it_says(tmp_path):
    config = live_config(tmp_path, "month_minutes=10")
    assert config.fault is None and config.rate == 30 * 24 * 6 and config.policy == "all"
    assert live_config(tmp_path, "month_minutes=1e9").rate == 1


@pytest.mark.parametrize(
    ("fault", "overrides", "sentence"),
    [
        ("rain", (), f"there is no fault 'rain' in {CONF / 'live'}/; there are bot, broken_hour, cents, dark_images, drift,"),
        ("../live/cents", (), "there is no fault '../live/cents'"),
        (None, ("candidates",), "expected key=value with a key of conf/live/default.yaml, got 'candidates'"),
        (None, ("a b=1",), "expected key=value with a key of conf/live/default.yaml, got 'a b=1'"),
        (None, ("candidate=4",), "live.candidate is not a known key; did you mean 'candidates'"),
        (None, ("candidates=0",), "live.candidates: got 0; input should be greater than or equal to 1"),
        (None, ("policy=best",), "live.policy: got 'best'; input should be 'all' or 'top1_of_k'"),
        (None, ("policy=[",), "the value of 'policy=\\[' is not YAML"),
        (None, ("labels.never_share=2",), "live.labels.never_share: got 2; input should be less than or equal to 1"),
        ("cents", ("fault.size=null",), "live.fault: fault cents needs a size"),
        ("bot", ("fault.column=hour",), "live.fault: fault bot has no column"),
        ("dark_images", ("fault.size=2",), "live.fault: size of dark_images is the share of its light that a pixel keeps"),
    ],
)
def test_what_is_wrong_with_the_settings_is_one_sentence(tmp_path, fault, overrides, sentence):
    with pytest.raises(ConfigError, match=sentence):
        live_config(tmp_path, *overrides, fault=fault)


def test_months_follow_those_of_the_exchange_and_only_that_can_be_played(tmp_path):
    config = live_config(tmp_path, "months=6")
    world = played_world(config, tmp_path / "params.yaml")
    assert world.months == ("2026-08", "2026-09", "2026-10", "2026-11", "2026-12", "2027-01") and world.seed == 2026
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(compose_params(CONF, ["data=bank_marketing"])))
    with pytest.raises(ConfigError, match="composed for data set bank_marketing; only the simulated exchange can be played"):
        played_world(config, tmp_path / "params.yaml")


def test_players_do_not_count_what_was_so_far(tmp_path):
    config = live_config(tmp_path, "months=1")
    params = compose_params(CONF, [])
    cross = {"name": "both", "role": "categorical", "dtype": "string", "cross": ["device", "os"]}
    clicks = {"name": "clicks", "role": "numeric", "dtype": "int", "so_far": {"count": "clicks", "per": "user_id"}}
    for column, is_played in ((cross, True), (clicks, False)):
        with_it = params | {"data": params["data"] | {"columns": [*params["data"]["columns"], column]}}
        (tmp_path / "params.yaml").write_text(yaml.safe_dump(with_it))
        if is_played:
            assert played_world(config, tmp_path / "params.yaml").declaration.column("both").made_of == ("device", "os")
        else:
            with pytest.raises(ConfigError, match="column 'clicks' is counted so far, which the players do not do"):
                played_world(config, tmp_path / "params.yaml")


def test_days_and_the_beginning_of_a_fault(tmp_path):
    assert months_after("2026-11", 3) == ("2026-12", "2027-01", "2027-02")
    days = days_of(("2026-12", "2027-01"), 2)
    assert (days[0], days[-1], len(days)) == (date(2026, 12, 1), date(2027, 2, 2), 31 + 31 + 2)
    fault = live_config(tmp_path, "fault.from_day=2.5", fault="cents").fault
    assert fault_since_ms(fault, ("2026-08",)) - start_ms(date(2026, 8, 1)) == 36 * 3_600_000


@pytest.mark.parametrize("name", CLIENT)
def test_a_fault_of_clients_spoils_its_column_for_the_same_clients_from_its_day_on(tmp_path, name):
    one = a_play(tmp_path, "fault.share=0.4", fault=name)
    rows, since_ms, column = one.pages[MONTH].rows, one.fault_ms, CLIENT[name]
    sent = sent_rows(rows, one.config.fault, since_ms, "user_id")
    assert sent.drop(column).equals(rows.drop(column)) and sent.schema == rows.schema
    differs = sent[column].ne_missing(rows[column])
    struck = (rows["at_ms"] >= since_ms) & struck_clients(rows["user_id"], one.config.fault)
    spoilt = {"broken_hour": (rows["hour"] + 2) % 24, "cents": rows["floor_price"] * 100, "empty_column": rows["user_age"] * None}
    if name == "empty_column":
        struck &= rows["site_id"] == one.config.fault.site
        assert set(sent.filter(struck)["user_age"]) == {None} and set(rows.filter(differs)["site_id"]) == {"site-0001"}
    else:
        assert differs.equals(struck) and sent.filter(struck)[column].equals(spoilt[name].filter(struck))
        users = [rows.filter(which)["user_id"].n_unique() for which in (struck, pl.col("at_ms") >= since_ms)]
        assert 0.2 < users[0] / users[1] < 0.6
    assert differs.any() and sent.filter(~struck)[column].equals(rows.filter(~struck)[column])


def test_a_column_that_no_page_view_has_is_refused(tmp_path):
    one = a_play(tmp_path, "fault.column=price", fault="cents")
    with pytest.raises(ValueError, match="live.fault.column 'price' is no column of a page view; set it in conf/live/"):
        sent_rows(one.pages[MONTH].rows, one.config.fault, 0, "user_id")


@pytest.mark.parametrize("name", ["drift", "new_site", "dark_images", "bot", "cents"])
def test_a_fault_of_the_world_is_told_to_the_drawing(tmp_path, name):
    config = live_config(tmp_path, fault=name)
    told = fault_of(parse(arguments(config, (MONTH,), tmp_path / "pages")))
    if name == "cents":
        assert told is None
    else:
        assert (told.kind, told.since_s * 1000, told.share) == (name, fault_since_ms(config.fault, (MONTH,)), config.fault.share)
        assert (told.size, told.over_days) == (config.fault.size or 0.0, config.fault.over_days)


def test_drawing_needs_the_pipelines_environment_and_says_why_it_failed(tmp_path):
    config = live_config(tmp_path)
    with pytest.raises(ValueError, match="nowhere/python is missing; run `make setup`: the exchange is drawn by the pipeline's"):
        draw_pages(config, (MONTH,), tmp_path, Path("nowhere/python"))
    failing = tmp_path / "python"
    failing.write_text("#!/bin/sh\necho 'first' >&2\necho 'pages: error: no creatives' >&2\nexit 1\n")
    failing.chmod(0o755)
    with pytest.raises(ValueError, match="the page views were not drawn: pages: error: no creatives"):
        draw_pages(config, (MONTH,), tmp_path, failing)


def test_a_folder_is_played_with_one_kind_of_settings(tmp_path):
    one = a_play(tmp_path)
    where = (one.months, one.folder / "pages", one.folder)
    refuse_other_settings(one.config, *where)
    refuse_other_settings(load_live_config(None, (*SMALL, "in_flight=9"), tmp_path / "params.yaml", CONF / "live"), *where)
    for other in ("policy=top1_of_k", "labels.median_h=3"):
        with pytest.raises(ValueError, match="was played with other settings .* make live FAULT=none ARGS="):
            refuse_other_settings(live_config(tmp_path, other), *where)
    (one.folder / "pages" / MONTH / "drawn.json").write_text('{"made_from": "another exchange"}')
    with pytest.raises(ValueError, match="was played with other settings"):
        refuse_other_settings(one.config, *where)


def test_the_creatives_of_the_training_split_are_known(project):
    assert known_creatives("creative_id") == set() == known_creatives(None)
    pages.TRAIN.parent.mkdir(parents=True)
    pl.DataFrame({"creative_id": ["a", "b", "a"]}).write_parquet(pages.TRAIN)
    assert known_creatives("creative_id") == {"a", "b"}


def test_a_month_that_was_not_drawn_is_told(tmp_path):
    with pytest.raises(ValueError, match="pages.parquet is missing; `make live` draws it anew"):
        MonthPages(month=MONTH, folder=tmp_path).day(date(2026, 8, 1))
