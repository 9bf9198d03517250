"""The month's file against what was served: what is planted is named, and nothing else is."""

import fcntl
import json
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest
import yaml

from lifecycle.monitor.skew.area import area_of, look, read_report, write_report
from lifecycle.monitor.skew.compare import SkewReport, compare_sides
from serving.journal.privacy import journal_key
from serving.triton.journal.privacy import pseudonym
from tests.lifecycle.monitor.played import context, declaration, monitor_config, month, write_month_file, write_served

ROWS = 6_000  # of the first days of a month, so that there are few files


def rows_of_month() -> pl.DataFrame:
    return month(rows=90_000).head(ROWS)


def compare(folder: Path, served: pl.DataFrame, in_file: pl.DataFrame | None = None) -> SkewReport:
    write_served(served, folder / "journal")
    path = write_month_file(rows_of_month() if in_file is None else in_file, folder / "month.csv")
    return compare_sides(path, folder / "journal", declaration(), monitor_config().skew, folder / "monitor", folder / "key", 5)


def different(report: SkewReport) -> dict[str, str]:
    return {one.name: one.kind for one in report.columns if one.different}


def test_nothing_is_different_where_nothing_was_changed(tmp_path):
    report = compare(tmp_path, rows_of_month())
    assert different(report) == {}
    assert (report.rows, report.matched, report.only_file, report.only_served, report.rejected) == (ROWS, ROWS, 0, 0, 0)
    assert len(report.columns) == len(declaration().features) and report.absent == ()
    assert area_of(report, monitor_config().skew).findings == []


LOCAL = pl.when(pl.col("hour") % 3 == 0).then((pl.col("hour") + 2) % 24).otherwise(pl.col("hour"))
SHARED = {  # what the clients do -> column, kind, words of the sentence
    "hour in local time": (
        {"hour": LOCAL}, "hour", "offset", "that of the file +2 hours: a local time",
    ),
    "price in cents": ({"floor_price": pl.col("floor_price") * 100}, "floor_price", "unit", "times 100: another unit"),
    "price in thousands": ({"floor_price": pl.col("floor_price") / 1000}, "floor_price", "unit", "times 1/1000"),
    "a constant": ({"region": pl.lit("XX")}, "region", "constant", "always 'XX'"),
    "lower case": ({"site_id": pl.col("site_id").str.to_uppercase()}, "site_id", "case", "other capital letters"),
    "blanks": ({"os": pl.col("os") + " "}, "os", "whitespace", "other blanks"),
    "a shift": ({"frequency": pl.col("frequency") + 1}, "frequency", "offset", "that of the file +1"),
    "rounded": (
        {"days_since_launch": pl.col("days_since_launch").round(1)}, "days_since_launch", "rounding", "rounded to 1 decimals",
    ),
    "cut off": (
        {"days_since_launch": pl.col("days_since_launch").floor()}, "days_since_launch", "rounding", "cut off to a whole number",
    ),
    "other names": (
        {"device": pl.col("device").replace({"phone": "mobile", "tv": "ctv", "desktop": "web", "tablet": "slate"})},
        "device", "renamed", "another name for the same",
    ),
    "noise": (
        {"floor_price": pl.col("floor_price") + pl.int_range(pl.len()) % 7 + 0.5}, "floor_price", "different", "no way that has",
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", SHARED)
def test_what_clients_do_is_named(tmp_path, what):
    changes, column, kind, words = SHARED[what]
    report = compare(tmp_path, rows_of_month().with_columns(**changes))
    assert different(report) == {column: kind}
    finding = area_of(report, monitor_config().skew).findings[0]
    assert (finding.subject, finding.kind) == (column, kind) and words in finding.sentence
    assert finding.verdict == "page" and finding.effect == next(c.share for c in report.columns if c.name == column)


def test_a_column_that_is_empty_for_one_site_is_named_with_the_site(tmp_path):
    rows = rows_of_month()
    site = rows["site_id"].value_counts(sort=True)["site_id"][3]
    served = rows.with_columns(user_segment=pl.when(pl.col("site_id") != site).then("user_segment"))
    report = compare(tmp_path, served)
    assert different(report) == {"user_segment": "missing"}
    found = next(one for one in report.columns if one.different)
    assert (found.where_column, found.where_value) == ("site_id", site)
    assert found.different == (rows["site_id"] == site).sum()
    sentence = area_of(report, monitor_config().skew).findings[0].sentence
    assert f"only where site_id is '{site}'" in sentence and "served is empty, and the file has one" in sentence


def test_price_in_cents_of_one_device_is_named_with_the_device(tmp_path):
    served = rows_of_month().with_columns(
        floor_price=pl.when(pl.col("device") == "tv").then(pl.col("floor_price") * 100).otherwise("floor_price")
    )
    found = next(one for one in compare(tmp_path, served).columns if one.different)
    assert (found.name, found.kind, found.where_column, found.where_value) == ("floor_price", "unit", "device", "tv")


def test_two_columns_that_were_swapped_are_named_each_with_the_other(tmp_path):
    report = compare(tmp_path, rows_of_month().with_columns(os=pl.col("region"), region=pl.col("os")))
    assert different(report) == {"os": "swapped", "region": "swapped"}
    assert {one.name: one.text.split("'")[1] for one in report.columns if one.different} == {"os": "region", "region": "os"}


def test_a_change_of_the_clocks_gives_two_shifts_that_are_named_together(tmp_path):
    shift = pl.when(pl.col("weekday") < 3).then(1).otherwise(2)
    found = next(
        one
        for one in compare(tmp_path, rows_of_month().with_columns(hour=(pl.col("hour") + shift) % 24)).columns
        if one.different
    )
    assert found.kind == "offset" and "that of the file +1 or +2 hours" in found.text and found.explained == 1


def test_rows_on_one_side_only_and_answers_given_again_are_counted(tmp_path):
    rows = rows_of_month()
    again = rows.slice(500, 40).with_columns(
        pl.col("prediction_id") + "-again", pl.col("answered_at") + pl.duration(seconds=30), floor_price=pl.col("floor_price") + 1
    )
    write_served(again, tmp_path / "journal", "b")
    report = compare(tmp_path, rows[200:], rows[:-300])
    assert (report.matched, report.only_file, report.again) == (ROWS - 500, 200, 40)
    assert 0 <= report.only_served <= 300  # those that were answered before the last one that both have
    found = next(one for one in report.columns if one.different)
    assert (found.name, found.different) == ("floor_price", 40)  # the last answer counts


def test_examples_show_key_both_values_and_the_answer(tmp_path):
    rows = rows_of_month()
    report = compare(tmp_path, rows.with_columns(floor_price=pl.col("floor_price") * 100))
    examples = next(one for one in report.columns if one.different).examples
    assert len(examples) == monitor_config().skew.examples
    for one in examples:
        row = rows.row(by_predicate=pl.col("impression_id") == int(one["key"]), named=True)
        assert one["file"] == pytest.approx(row["floor_price"], rel=1e-6) and one["served"] == pytest.approx(
            100 * one["file"], rel=1e-6
        )
        assert one["prediction_id"] == row["prediction_id"]


def test_few_different_rows_are_seen_and_no_warning(tmp_path):
    served = rows_of_month().with_columns(
        device=pl.when(pl.int_range(pl.len()) < 3).then(pl.lit("watch")).otherwise("device"),
    )
    report = compare(tmp_path, served)
    assert [one.verdict for one in area_of(report, monitor_config().skew).findings] == ["watch"]


def test_what_was_found_is_kept_for_the_page(tmp_path):
    report = compare(tmp_path, rows_of_month().with_columns(region=pl.lit("XX")))
    state = tmp_path / "monitor"
    assert look(context(tmp_path)).notes[0].startswith("no month's file was compared")
    write_report(state, report)
    assert read_report(state) == report
    area = look(context(tmp_path))
    assert [f.key for f in area.findings] == ["skew/region/constant"] and len(area.tables) == 2
    (state / "skew/report.json").write_text("{")
    with pytest.raises(ValueError, match="report.json cannot be read .* run `make skew` again"):
        look(context(tmp_path))


def test_keys_that_fit_nowhere_are_said_with_examples(tmp_path):
    rows = rows_of_month()
    with pytest.raises(
        ValueError, match=r"no row of the file was answered: its keys are like \['.*'\], those that callers sent like"
    ):
        compare(tmp_path, rows.with_columns(pl.col("impression_id") + 10**12))


def test_two_at_once_are_refused_and_what_a_killed_one_left_is_removed(tmp_path):
    left = tmp_path / "monitor/skew/work/join.duckdb"
    left.parent.mkdir(parents=True)
    left.write_text("half a file")
    with (tmp_path / "monitor/skew/skew.lock").open("w") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(ValueError, match="another process compares a month's file"):
            compare(tmp_path, rows_of_month())
        assert left.exists()
    assert different(compare(tmp_path, rows_of_month())) == {}
    assert not left.parent.exists()


def test_a_file_of_another_data_set_or_none_is_refused(tmp_path):
    write_served(rows_of_month()[:100], tmp_path / "journal")
    stray = tmp_path / "stray.csv"
    stray.write_text("a,b\n1,2\n")
    for path, words in (
        (stray, "stray.csv"),
        (tmp_path / "none.csv", "does not exist"),
        (tmp_path, "holds no file that matches"),
    ):
        with pytest.raises(ValueError, match=words):
            compare_sides(
                path, tmp_path / "journal", declaration(), monitor_config().skew, tmp_path / "monitor", tmp_path / "key", 5
            )


def test_columns_that_the_journal_hides_are_not_compared(tmp_path):
    done = tmp_path / "journal/done"
    done.mkdir(parents=True)
    (done / "x.segment.json").write_text(json.dumps({"about": {"columns": {"user_id": "keyed_hash"}, "caller_key": "as_is"}}))
    report = compare(tmp_path, rows_of_month().with_columns(user_id=pl.lit("0123")))
    assert different(report) == {} and report.absent == ("user_id",)
    (done / "x.segment.json").write_text(json.dumps({"about": {"caller_key": "drop"}}))
    with pytest.raises(ValueError, match="the journal drops callers' keys"):
        compare(tmp_path, rows_of_month())


def test_keys_that_the_journal_hashed_are_hashed_too(tmp_path):
    key = journal_key(tmp_path / "key")
    rows = rows_of_month()
    hashed = [pseudonym(key, str(text).encode()).decode() for text in rows["impression_id"]]
    done = tmp_path / "journal/done"
    done.mkdir(parents=True)
    (done / "x.segment.json").write_text(json.dumps({"about": {"caller_key": "keyed_hash"}}))
    report = compare(tmp_path, rows.with_columns(pl.Series("key", hashed), floor_price=pl.col("floor_price") * 100))
    assert report.matched == ROWS and different(report) == {"floor_price": "unit"}


def test_the_command_prints_what_is_different_and_ends_with_1(tmp_path):
    write_served(rows_of_month().with_columns(floor_price=pl.col("floor_price") * 100), tmp_path / "journal")
    path = write_month_file(rows_of_month(), tmp_path / "month.csv")
    described = tmp_path / "declaration.json"
    described.write_text(json.dumps(json.loads(_params())["data"]))
    command = [
        sys.executable,
        "-m",
        "lifecycle.monitor.skew",
        path,
        "--journal",
        tmp_path / "journal",
        "--declaration",
        described,
    ]
    done = subprocess.run([*map(str, command), "--state", str(tmp_path / "m")], capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stderr
    assert "page: floor_price: different in 6,000 of 6,000 rows (100.00%); served is that of the file times 100" in done.stdout
    assert done.stderr.strip() == "skew: 1 column is different from what was served: floor_price"
    assert ".999999" not in done.stdout  # numbers as short as float32 needs them
    done = subprocess.run(
        [*map(str, command[:3]), str(tmp_path / "none.csv"), *map(str, command[4:])], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1 and done.stderr.startswith("skew: error:") and done.stderr.count("\n") == 1


def _params() -> str:
    return json.dumps({"data": yaml.safe_load(Path("conf/data/simulated.yaml").read_text(encoding="utf-8"))})
