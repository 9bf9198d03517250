"""Closed segments become Parquet, each row exactly once, whenever the program is killed."""

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import polars as pl
import pytest

from lifecycle.journal.served import only_one, serve_segment, waiting
from tests.lifecycle.journal.journal_world import START_NS, World, a_journal
from tests.lifecycle.killed_program import killed_after

ROOT = Path(__file__).parents[3]
STEP = 7
COMMAND = [sys.executable, "-m", "lifecycle.journal", "--folder"]


def rows_of(folder):
    files = [*(folder / "served").rglob("*.parquet")]
    return pl.concat([pl.read_parquet(path, hive_partitioning=False) for path in files]) if files else pl.DataFrame()


def run(folder, *command):
    return subprocess.run([*command, str(folder)], cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.fixture
def journal(tmp_path):
    """The project's settings are not needed where a folder is named, but their file has to be there."""
    return a_journal(tmp_path / "journal", segment_bytes=1000)


def test_names_and_dtypes_are_those_of_the_declaration(journal):
    assert len(journal.segments()) > 2
    with only_one(journal.folder):
        assert sum(serve_segment(journal.folder, path).rows for path in waiting(journal.folder)) == 312
        assert waiting(journal.folder) == []
    rows = rows_of(journal.folder)
    kinds = {
        "site": pl.String,
        "hour": pl.Int64,
        "mobile": pl.Boolean,
        "sent_row": pl.String,
        "age": pl.Float64,
        "visits": pl.Int64,
    }
    assert {name: rows.schema[name] for name in kinds} == kinds
    assert rows.schema["site__id"] == rows.schema["creative_image__id"] == pl.UInt32
    assert rows["mobile"].all() and rows["site"].null_count() > 50 and set(rows["hour"].unique()) <= set(range(24))
    assert rows.select("prediction_id", "row").is_unique().all() and rows["arm"].unique().to_list() == [None]


def test_each_file_is_sorted_and_lies_in_the_hour_of_its_answers(tmp_path):
    world = World(tmp_path)
    for hours in (0, 0, 1, 25, 1):  # the clock jumps back: ids grow all the same
        world.now_ns = START_NS + hours * 3600 * 10**9
        world.answer(2, 2)
    world.writer.close()
    with only_one(tmp_path):
        serve_segment(tmp_path, world.segments()[0])
    stem = world.segments()[0].stem
    assert {str(path.relative_to(tmp_path / "served")) for path in (tmp_path / "served").rglob("*.parquet")} == {
        f"answered_day={day}/answered_hour={hour}/{stem}.parquet"
        for day, hour in (("2027-01-15", "08"), ("2027-01-15", "09"), ("2027-01-16", "09"))
    }
    for path in (tmp_path / "served").rglob("*.parquet"):
        rows = pl.read_parquet(path, hive_partitioning=False)
        assert rows.equals(rows.sort("prediction_id", "row"))
    whole = pl.read_parquet(tmp_path / "served")  # as others read it: folders become columns, and none of ours is lost
    assert len(whole) == 20 and whole["hour"].max() < 24 and {"answered_day", "answered_hour"} <= {*whole.columns}


def test_a_segment_that_is_being_written_waits_and_one_of_a_dead_writer_does_not(tmp_path):
    world = World(tmp_path)
    ids = world.answer(2)
    (tmp_path / "done").mkdir()
    assert len(world.segments()) == 1 and waiting(tmp_path) == []
    pid = os.fork()
    if pid == 0:  # a writer that dies: its segment has no end
        other = World(tmp_path)
        other.answer(1)
        os._exit(0)
    os.waitpid(pid, 0)
    with only_one(tmp_path):
        found = waiting(tmp_path)
        assert len(found) == 1 and not serve_segment(tmp_path, found[0]).is_ended
        world.writer.close()
        assert serve_segment(tmp_path, waiting(tmp_path)[0]).is_ended
    assert Counter(rows_of(tmp_path)["prediction_id"])[ids[0]] == 2


@pytest.mark.parametrize("first", [0, *(pytest.param(first, marks=pytest.mark.slow) for first in range(1, STEP))])
def test_killed_at_any_point_and_run_again_no_row_is_missing_and_none_is_there_twice(journal, first):
    """Every seventh call that changes something on the disk is the last one, beginning with `first`."""
    expected = 312
    for left in range(first, 10_000, STEP):
        killed = run(journal.folder, *killed_after(left, "lifecycle.journal"), "--folder")
        rows = rows_of(journal.folder)
        if len(rows):
            assert rows.select("prediction_id", "row").is_unique().all()
        if killed.returncode == 0:
            break
        assert killed.returncode == 9, killed.stderr
        notes = (journal.folder / "done").glob("*.json")
        assert all(json.loads(path.read_text())["segment"] + ".json" == path.name for path in notes)
    assert left > first and len(rows_of(journal.folder)) == expected
    again = run(journal.folder, *COMMAND)
    assert again.returncode == 0 and again.stdout.startswith("journal: 0 rows of 0 segments")
    assert not [*(journal.folder / "partial").iterdir()]


def test_the_same_segment_gives_the_same_bytes(tmp_path):
    world = a_journal(tmp_path)
    files = []
    for _ in range(2):
        with only_one(tmp_path):
            serve_segment(tmp_path, world.segments()[0])
        files.append({path: path.read_bytes() for path in (tmp_path / "served").rglob("*.parquet")})
    assert files[0] == files[1] and len(files[0]) == 1


def test_another_format_and_damage_are_told_and_the_others_are_served(journal):
    first, second, *_ = journal.segments()
    content = bytearray(first.read_bytes())
    content[8] = 2
    first.write_bytes(content)
    content = bytearray(second.read_bytes())
    content[-60] ^= 4  # of its answers
    second.write_bytes(content)
    done = run(journal.folder, *COMMAND)
    assert done.returncode == 1
    assert f"{first.name} has format 2 of the journal, this program reads format 1" in done.stderr
    assert f"{second.name}: bytes " in done.stderr and "the rest was read" in done.stderr
    assert f"of {len(journal.segments()) - 1} segments are in" in done.stdout
    assert "Traceback" not in done.stderr


def test_what_is_no_journal_and_a_second_process_are_refused_in_one_sentence(journal, tmp_path):
    done = run(tmp_path / "nothing", *COMMAND)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1) and "holds no journal" in done.stderr
    with only_one(journal.folder):
        done = run(journal.folder, *COMMAND)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1) and "another process makes Parquet files of" in done.stderr
