"""An id of a routed request shows who was to answer, who did, and what the other arm computed; each by its own release."""

import json
import shutil
import subprocess
import sys
from datetime import date

import polars as pl
import pytest

from contracts.serving.release_log import Entry, append
from lifecycle.replay.report import lines_of
from serving.triton.journal.layout import CHALLENGER, FALLBACK, HANDED_ON, KEY_SENT, SHADOW
from serving.triton.journal.record import Routed
from tests.lifecycle.replay.replay_world import START_NS, change_record
from tests.lifecycle.replay.routed_world import HOUR_NS, ROUTE, TEXT, Arms
from tests.stages.pipeline_world import CONF


@pytest.fixture
def arms(tmp_path, strict_exported, strict_spec):
    return Arms(tmp_path, strict_exported, strict_spec)


def seen_of(report) -> list[tuple]:
    """Release, is it a shadow, number of rows, are all equal: of what the other arm computed."""
    return [(o.release, o.is_shadow, len(o.rows), all(row.is_equal for row in o.rows)) for o in report.others]


@pytest.mark.parametrize("parquet", [False, True])
def test_an_answer_and_its_shadow_are_each_replayed_by_the_release_that_computed_it(arms, strict_rows, parquet):
    own = arms.answer(strict_rows, flags=KEY_SENT, key=b"user 7")
    arms.answer(strict_rows[3:])
    arms.shadow(own, strict_rows)
    append(arms.store, Entry(event="promotion", model="f" * 64))
    if parquet:
        arms.to_parquet()
    report = arms.report(own)
    assert report.lineage.release == 1 and all(row.is_equal for row in report.rows) and not report.is_fault
    assert seen_of(report) == [(2, True, 3, True)]
    assert all(a.recorded != b.recorded for a, b in zip(report.rows, report.others[0].rows, strict=True))
    assert vars(report.routing) == {
        "arm": "champion", "route": f"{ROUTE:016x}", "text": None, "fallback": False, "bucket": 77, "routing_key": "user 7",
    }  # fmt: skip
    lines = [line.strip() for line in lines_of(report)]
    assert "routing      arm champion, bucket 77, routing key user 7" in lines
    assert f"route        {ROUTE:016x}; releases.jsonl has no line of it" in lines
    assert any(line.startswith("computed as a shadow by release 2 at 2027-01-15T08:00:0") for line in lines)
    totals = arms.champion.replay()
    assert (totals.rows, totals.equal, totals.faults, totals.shadows, totals.fallbacks) == (9, 9, 0, 3, 0)
    assert arms.champion.replay(day=date(2027, 1, 15)).shadows == 3 and not arms.champion.replay(day=date(2027, 1, 14)).rows


@pytest.mark.parametrize("parquet", [False, True])
def test_a_fallback_shows_the_arm_as_assigned_who_answered_and_what_came_too_late(arms, strict_rows, parquet):
    own = arms.answer(strict_rows, CHALLENGER, FALLBACK)
    arms.shadow("00000000-0000-0000-0000-000000000000", strict_rows, CHALLENGER, HANDED_ON)
    if parquet:
        arms.to_parquet()
    report = arms.report(own)
    assert report.lineage.release == 1 and report.routing.arm == "challenger" and report.routing.fallback
    assert "the champion answered, because the challenger did not, or not in time" in "\n".join(lines_of(report))
    assert seen_of(report) == ([] if parquet else [(2, False, 3, True)])  # rows that were handed on are not in Parquet
    totals = arms.champion.replay()
    assert (totals.rows, totals.equal, totals.fallbacks, totals.handed_on) == (3, 3, 3, 0 if parquet else 3)


def test_a_shadow_of_the_champion_is_shown_beside_the_challengers_answer(arms, strict_rows):
    own = arms.answer(strict_rows, CHALLENGER)
    arms.shadow(own, strict_rows, CHALLENGER)
    report = arms.report(own, row=1)
    assert report.lineage.release == 2 and seen_of(report) == [(1, True, 1, True)]
    assert [row.row for row in report.rows] == [row.row for row in report.others[0].rows] == [1]


def test_one_bit_of_a_shadow_is_a_fault(arms, strict_rows):
    own = arms.answer(strict_rows)
    arms.shadow(own, strict_rows)
    arms.challenger.writer.close()
    path = next(path for path in arms.challenger.segments() if f"{arms.challenger.writer.ids.writer:016x}" in path.name)
    change_record(path, lambda payload: payload.__setitem__(-12, payload[-12] ^ 1))  # the routing of one request is behind it
    report = arms.report(own)
    assert report.is_fault and all(row.is_equal for row in report.rows)
    assert [row.is_fault for row in report.others[0].rows] == [False, False, True]
    assert arms.champion.replay().faults == 1


def test_the_route_is_shown_as_the_log_of_releases_has_it(arms, strict_rows):
    own = arms.answer(strict_rows)
    line = {"format": 1, "time": "2027-01-15T08:00:00+00:00", "event": "route", "route": f"{ROUTE:016x}", "text": TEXT}
    with (arms.store / "releases.jsonl").open("a") as log:
        log.write(json.dumps(line | {"route": "0" * 16, "text": "another"}) + "\n" + json.dumps(line) + "\n")
    report = arms.report(own)
    assert report.routing.text == TEXT
    lines = [line.strip() for line in lines_of(report)]
    at = lines.index(f"route        {ROUTE:016x}")
    assert lines[at + 1 : at + 4] == ["format 1", "champion 1", "challenger 2"] and "end" not in lines and "another" not in lines


def test_a_shadow_whose_release_is_gone_is_shown_and_no_fault(arms, strict_rows):
    own = arms.answer(strict_rows)
    arms.shadow(own, strict_rows)
    shutil.rmtree(arms.store / "ctr/2")
    report = arms.report(own)
    assert not report.is_fault and seen_of(report) == [(2, True, 3, False)]
    assert {row.why_not for row in report.others[0].rows} == {f"release 2 is not in {arms.store}"}
    assert arms.champion.replay().not_replayed == {f"release 2 is not in {arms.store}": 3}


@pytest.mark.parametrize(("later_ns", "found"), [(HOUR_NS - 10**9, 1), (3 * HOUR_NS, 0)])
def test_shadows_are_looked_for_where_they_may_be(arms, strict_rows, later_ns, found):
    """In another hour of the day, and in a segment that was begun long before; not in one that was begun long after."""
    own = arms.answer(strict_rows)
    arms.challenger.writer.close()
    arms.challenger.now_ns = START_NS + later_ns
    arms.challenger.begin()
    arms.shadow(own, strict_rows, later_ns=0)
    assert len(arms.report(own).others) == found
    arms.to_parquet()
    assert len(arms.report(own).others) == found


def test_an_id_is_found_though_its_writers_segment_begins_with_shadows(arms, strict_rows):
    other = arms.answer(strict_rows, CHALLENGER)
    arms.champion.now_ns += 10**10
    for _ in range(2):
        arms.champion.answer(strict_rows, 3, route=ROUTE, routed=[Routed(status=SHADOW, shadowed=b"\xff" * 16)])
    arms.shadow(other, strict_rows, CHALLENGER)
    own = arms.answer(strict_rows[6:])
    assert arms.report(own).rows[0].is_equal and arms.report(other).lineage.release == 2


def test_parquet_of_before_there_was_routing_is_replayed_and_says_nothing_of_it(arms, strict_rows):
    """It lacks three columns, and a declared one that is called like one of these has its own name."""
    (own,) = arms.champion.answer(strict_rows, 3)
    arms.to_parquet()
    for path in (arms.folder / "served").rglob("*.parquet"):
        rows = pl.read_parquet(path, hive_partitioning=False).drop("fallback", "bucket", "routing_key")
        rows.with_columns(arm=pl.lit("champion"), route=pl.lit(0, pl.UInt64)).write_parquet(path)
    report = arms.report(own)
    assert report.routing is None and all(row.is_equal for row in report.rows)
    assert not any("routing" in line for line in lines_of(report))
    totals = arms.champion.replay()
    assert (totals.rows, totals.equal, totals.fallbacks, totals.shadows) == (3, 3, 0, 0)


def test_the_command_says_the_same(arms, strict_rows):
    own = arms.answer(strict_rows, CHALLENGER, FALLBACK)
    arms.shadow(own, strict_rows)
    told = ["--folder", str(arms.folder), "--store", str(arms.store)]
    command = [sys.executable, "-m", "lifecycle.replay", *told]

    def run(*arguments: str) -> str:
        done = subprocess.run([*command, *arguments], cwd=CONF.parent, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout

    found = json.loads(run("--id", own, "--json"))
    assert found["routing"]["arm"] == "challenger" and found["routing"]["fallback"]
    assert [(other["release"], len(other["rows"])) for other in found["others"]] == [(2, 3)]
    text = run("--share", "1")
    assert "6 rows of 2 batches" in text and "of them fallbacks      3" in text and "of them shadows        3" in text
