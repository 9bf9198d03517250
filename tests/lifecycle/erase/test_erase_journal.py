"""One user goes from the journal: segments, Parquet files, images; whatever happens on the way."""

import json
import math
import os
import stat
import subprocess

import polars as pl
import pytest

from lifecycle.journal.served import only_one
from serving.triton.journal.privacy import fingerprint, pseudonym
from tests.lifecycle.erase.erase_world import (
    IMAGE,
    OTHER,
    ROOT,
    SHARED,
    USER,
    contents,
    digest,
    erase,
    make_journal,
    make_project,
    rows,
    serve_all,
    served,
)
from tests.lifecycle.journal.journal_world import World
from tests.lifecycle.journal.second_reader import read
from tests.lifecycle.killed_program import killed_after

THEIRS, OTHERS = 4, 8  # rows
STEP = 5
CALLS = ("replace", "fsync", "open", "close", "mkdir", "unlink", "write")


@pytest.fixture
def project(tmp_path):
    folder = make_project(tmp_path / "project")
    make_journal(folder / "journal")
    return folder


def notes(project):
    return [json.loads(line) for line in (project / "journal/erased.jsonl").read_text().splitlines()]


def test_nothing_of_the_user_is_left_and_all_others_are_as_they_were(project):
    journal = project / "journal"
    serve_all(journal)
    before, table = rows(journal), served(journal)
    assert len(before) == len(table) == THEIRS + OTHERS
    done = erase(project, "--why", "asked on 3 May")
    assert done.returncode == 0, done.stderr
    words = f"erased {THEIRS} rows in 1 segments, {THEIRS} in 1 Parquet files of the journal, 1 images, 0 rows in 0 raw files"
    assert words in done.stdout
    assert repr(rows(journal)) == repr([row for row in before if row["strings"][0] != USER])
    assert served(journal).equals(table.filter(table["site"] != USER))
    assert USER.encode() + b"\n" not in contents(journal).replace(OTHER.encode(), b"") + b"\n"
    assert not (journal / "images" / digest(IMAGE).hex()[:2] / digest(IMAGE).hex()).exists()
    assert (journal / "images" / digest(SHARED).hex()[:2] / digest(SHARED).hex()).read_bytes() == SHARED


def test_an_erased_row_is_a_tombstone_as_the_page_says(project):
    journal = project / "journal"
    ids = [row["prediction_id"] for row in rows(journal)]
    erase(project)
    first, second = sorted((journal / "segments").glob("*.segment"))
    found = read(first)
    assert sorted(row["prediction_id"] for row in found["rows"] + found["erased"] + read(second)["rows"]) == sorted(ids)
    assert len(found["erased"]) == THEIRS and not read(second)["erased"]
    for row in found["erased"]:
        assert row["strings"] == [""] * 4 and row["ids"] == [0] * 3 and row["key"] is None and row["image_sha256"] is None
        assert all(map(math.isnan, row["numbers"] + row["outputs"]))
    alone = [row for row in found["erased"] if row["prediction_id"] not in {kept["prediction_id"] for kept in found["rows"]}]
    assert len(alone) == 2 and all(row["request_id"] is None and row["event_ns"] is None for row in alone)
    assert {row["key"] for row in found["rows"]} >= {"k\u00fc"} and found["closed"] == [4, 5, 10, 1]
    assert stat.S_IMODE(first.stat().st_mode) == 0o640
    again = contents(journal / "segments")
    assert erase(project).stdout.startswith("erase: erased 0 rows in 0 segments")
    assert contents(journal / "segments") == again


def test_parquet_that_is_made_later_is_parquet_that_was_made_before(project, tmp_path):
    other = make_project(tmp_path / "other")
    subprocess.run(["cp", "-r", project / "journal", other / "journal"], check=True)
    serve_all(project / "journal")
    assert erase(project).returncode == erase(other).returncode == 0
    serve_all(other / "journal")
    one, two = ({path.name: path.read_bytes() for path in (p / "journal/served").rglob("*.parquet")} for p in (project, other))
    assert one == two and len(one) == 2


def test_the_note_says_when_why_and_how_much_and_not_who(project):
    assert erase(project, "--why", "asked on 3 May").returncode == 0
    begun, done = notes(project)
    key = (project / ".secrets/journal-key").read_bytes().strip()
    assert (begun["event"], done["event"]) == ("begun", "done") and begun["why"] == done["why"] == "asked on 3 May"
    assert begun["entity"] == done["entity"] == pseudonym(key, USER.encode()).decode()
    assert done["erased"] == begun["found"] and done["erased"]["journal_rows"] == THEIRS
    assert USER not in (project / "journal/erased.jsonl").read_text()
    failed = erase(project, "--why", f"{USER} asked")
    assert failed.returncode == 1 and "the reason names the user, and it is kept" in failed.stderr


def test_a_dry_run_counts_and_changes_nothing(project):
    serve_all(project / "journal")
    before = contents(project)
    done = erase(project, "--dry-run")
    assert done.returncode == 0 and f"would erase {THEIRS} rows in 1 segments, {THEIRS} in 1 Parquet files" in done.stdout
    assert contents(project) == before and "  would stay: " in done.stdout


def test_copies_of_rows_for_a_training_are_named(project):
    for name, site in (("one", USER), ("two", "somebody-else")):
        served = project / f"retraining/{name}/served/2027-01"
        served.mkdir(parents=True)
        pl.DataFrame({"site": [site]}).write_parquet(served / "impressions.parquet")
    done = erase(project, "--dry-run")
    assert "would stay: retraining/one holds the user, for a training: remove the folder" in done.stdout, done.stderr
    assert "retraining/two" not in done.stdout


def test_a_hashed_user_is_found_by_the_hash_and_one_of_another_key_is_named(tmp_path):
    project = make_project(tmp_path)
    (project / ".secrets").mkdir(mode=0o700)
    (project / ".secrets/journal-key").write_text("Jefe\n")
    (project / ".secrets/journal-key").chmod(0o600)
    about = {"columns": {"site": "keyed_hash"}, "caller_key": "as_is", "key_fingerprint": fingerprint(b"Jefe")}
    make_journal(project / "journal", about, lambda site: pseudonym(b"Jefe", site.encode()).decode())
    make_journal(project / "journal", about | {"key_fingerprint": "0" * 16}, lambda site: f"hash of {site}")
    serve_all(project / "journal")
    assert served(project / "journal")["site__id"].null_count() == 2 * (THEIRS + OTHERS)
    done = erase(project)
    assert f"erased {THEIRS} rows in 1 segments, {THEIRS} in 1 Parquet files" in done.stdout, done.stderr
    assert "2 segments of the journal: site was hashed with another key (fingerprint 0000000000000000)" in done.stdout
    hashed = pseudonym(b"Jefe", USER.encode())
    assert len(hashed) == 32 and hashed not in contents(project / "journal/segments")
    assert served(project / "journal").filter(site=hashed.decode()).is_empty()


def test_where_the_user_was_dropped_that_is_said(tmp_path):
    project = make_project(tmp_path)
    make_journal(project / "journal", {"columns": {"site": "drop"}, "caller_key": "as_is"}, lambda site: "")
    done = erase(project)
    assert done.returncode == 0 and "2 segments of the journal: site was dropped before it was written" in done.stdout


def test_rows_whose_key_is_the_user_go_if_that_is_wanted(project):
    kept = erase(project, entity="k")
    assert "erased 0 rows" in kept.stdout
    done = erase(project, "--keys", entity="k")
    assert "erased 2 rows in 1 segments" in done.stdout
    assert {row["key"] for row in rows(project / "journal")} == {"k\u00fc", None}


def test_bytes_that_cannot_be_read_and_hold_the_user_go_too(project):
    path = sorted((project / "journal/segments").glob("*.segment"))[0]
    content = path.read_bytes()
    place = content.index(USER.encode())
    path.write_bytes(content[: place - 3] + b"?" + content[place - 2 :])
    with pytest.raises(AssertionError):
        read(path)
    assert erase(project).returncode == 0
    assert USER.encode() not in path.read_bytes().replace(OTHER.encode(), b"") and len(read(path)["rows"]) == 4


def test_a_segment_that_is_written_is_waited_for_and_then_told(project):
    world = World(project / "journal")
    world.answer(1, sites=[USER])
    done = erase(project, "--wait", "0.5")
    assert done.returncode == 1 and "1 segments are being written; waiting until they are closed" in done.stdout
    assert "are still being written after 0.5 s" in done.stderr and done.stderr.count("\n") == 1
    assert not (project / "journal/erased.jsonl").exists()
    world.writer.close()
    assert f"erased {THEIRS + 1} rows in 2 segments" in erase(project).stdout


def test_it_refuses_to_run_beside_the_program_that_makes_parquet(project):
    with only_one(project / "journal"):
        done = erase(project)
    assert done.returncode == 1 and "another process makes Parquet files of" in done.stderr and done.stderr.count("\n") == 1


@pytest.mark.parametrize("first", [0, *(pytest.param(first, marks=pytest.mark.slow) for first in range(1, STEP))])
def test_killed_at_any_point_and_run_again_it_ends_the_same(project, tmp_path, first):
    """Every fifth call that changes something on the disk is the last one, beginning with `first`."""
    journal = project / "journal"
    serve_all(journal)
    table = served(journal)
    untouched = [row for row in rows(journal) if row["strings"][0] != USER]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    for left in range(first, 10_000, STEP):
        command = [*killed_after(left, "lifecycle.erase", CALLS), "--", USER]
        killed = subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, check=False)
        here = rows(journal)
        assert repr([row for row in here if row["strings"][0] != USER]) == repr(untouched)
        assert served(journal).filter(served(journal)["site"] != USER).equals(table.filter(table["site"] != USER))
        if killed.returncode == 0:
            break
        assert killed.returncode == 9, killed.stderr
    assert left > first + STEP and len(here) == OTHERS and len(served(journal)) == OTHERS
    assert notes(project)[-1]["event"] == "done" and not [*(journal / "partial").iterdir()]
    assert sorted(path.suffix for path in (journal / "segments").iterdir()) == [".segment"] * 2
    assert not (journal / "images" / digest(IMAGE).hex()[:2] / digest(IMAGE).hex()).exists()


@pytest.mark.parametrize(("entity", "words"), [(" ", "a value of site is required"), ("", "a value of site is required")])
def test_no_user_is_refused(project, entity, words):
    done = erase(project, entity=entity)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1) and words in done.stderr
