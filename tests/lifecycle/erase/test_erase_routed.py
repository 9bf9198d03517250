"""One user goes from what was routed: shadows, routing keys, and the bucket that a key has."""

import os
import subprocess
from pathlib import Path

import polars as pl
import pytest

from lifecycle.erase.records import AnswerRecord
from lifecycle.erase.wanted import Wanted
from lifecycle.journal.answers import Unreadable
from lifecycle.journal.columns import Kind
from serving.triton.journal.layout import CHALLENGER, CHAMPION, FALLBACK, KEY_SENT, ROUTING
from serving.triton.journal.privacy import fingerprint, pseudonym
from serving.triton.journal.record import Routed
from tests.lifecycle.erase.erase_world import OTHER, ROOT, USER, contents, erase, make_project, serve_all, served
from tests.lifecycle.journal.journal_world import ABOUT, ROUTE, START_NS, World
from tests.lifecycle.journal.second_reader import read
from tests.lifecycle.killed_program import killed_after

STEP = 6
CALLS = ("replace", "fsync", "open", "close", "mkdir", "unlink", "write")


def by_key(key: str, arm: int = CHAMPION, **said: int) -> Routed:
    return Routed(arm=arm, bucket=len(key), flags=KEY_SENT, key=key.encode(), **said)


def routed_journal(folder: Path, about: dict | None = None, hidden=str) -> World:
    """Requests by key of the user and of another, with rows of both; a shadow of one; a fallback; one without a key."""
    world = World(folder, about)
    user, other = hidden(USER), hidden(OTHER)
    fallback, unkeyed = by_key(other, CHALLENGER, status=FALLBACK), Routed(arm=CHAMPION, bucket=3)
    routed = [by_key(other), by_key(user), by_key(other), fallback, unkeyed]
    sites = [user, user, other, other, user, other, user, other]
    ids = world.answer(2, 1, 2, 1, 2, sites=sites, event_ns=START_NS, route=ROUTE, routed=routed)
    world.shadow(ids[0], 2, CHAMPION, sites=[user, user])
    world.shadow(ids[2], 2, CHAMPION, sites=[other, user])
    world.shadow(ids[3], 1, CHALLENGER, sites=[other])
    world.writer.close()
    return world


@pytest.fixture
def project(tmp_path):
    folder = make_project(tmp_path / "project")
    routed_journal(folder / "journal")
    return folder


def shadowed(journal: Path) -> pl.DataFrame:
    files = sorted((journal / "shadowed").rglob("*.parquet"))
    return pl.concat([pl.read_parquet(path, hive_partitioning=False) for path in files])


def routing(rows: list[dict]) -> list[tuple]:
    return [(row["strings"][0], row["arm"], row["bucket"], row["routing_key"], row["fallback"]) for row in rows]


EXPECTED = [
    (OTHER, "champion", None, None, False),  # by the key of the user
    (OTHER, "champion", 7, OTHER, False),
    (OTHER, "challenger", 7, OTHER, True),
    (OTHER, "champion", None, None, False),  # its first row was the user's, whose bucket it had
]


def test_rows_keys_and_buckets_of_the_user_go_and_arms_stay(project):
    journal = project / "journal"
    serve_all(journal)
    before = routing(read(next((journal / "segments").iterdir()))["rows"])
    assert before[2] == (OTHER, "champion", 6, USER, False) and before[7] == (OTHER, "champion", 3, None, False)
    done = erase(project)
    assert "erased 7 rows in 1 segments, 7 in 2 Parquet files of the journal" in done.stdout, done.stderr
    found = read(next((journal / "segments").iterdir()))
    assert routing(found["rows"]) == EXPECTED and routing(found["shadows"]) == [
        (OTHER, "champion", 7, None, False),
        (OTHER, "challenger", 7, None, False),
    ]
    assert [row["routing_key"] for row in found["erased"][:2]] == [None] * 2  # nothing is left of that request
    assert {row["bucket"] for row in found["erased"][:2]} == {None} and found["erased"][0]["arm"] == "champion"
    table, shadows = served(journal), shadowed(journal)
    names = ("site", "arm", "bucket", "routing_key", "fallback")
    assert table.select(names).rows() == EXPECTED and shadows["site"].to_list() == [OTHER] * 2
    left = contents(journal).replace(OTHER.encode(), b"")
    assert USER.encode() not in left
    assert erase(project).stdout.startswith("erase: erased 0 rows in 0 segments, 0 in 0 Parquet files")


def test_parquet_that_is_made_later_is_parquet_that_was_made_before(project, tmp_path):
    other = make_project(tmp_path / "other")
    subprocess.run(["cp", "-r", project / "journal", other / "journal"], check=True)
    serve_all(project / "journal")
    assert erase(project).returncode == erase(other).returncode == 0
    serve_all(other / "journal")
    one, two = ({path: path.read_bytes() for path in (p / "journal").rglob("*.parquet")} for p in (project, other))
    assert [*one.values()] == [*two.values()] and len(one) == 2


def test_a_routing_key_alone_is_erased_where_no_row_is_the_users(tmp_path):
    project = make_project(tmp_path)
    world = World(project / "journal")
    world.answer(1, 1, sites=[OTHER, OTHER], route=ROUTE, routed=[by_key(USER), by_key(OTHER)])
    world.writer.close()
    serve_all(project / "journal")
    done = erase(project)
    assert "erased 0 rows in 1 segments, 0 in 1 Parquet files" in done.stdout, done.stderr
    found = read(world.segments()[0])
    assert routing(found["rows"]) == [EXPECTED[0], EXPECTED[1]] and found["erased"] == []
    assert served(project / "journal")["routing_key"].to_list() == [None, OTHER]


def test_parquet_of_before_there_was_routing_loses_its_rows_and_nothing_else(project):
    """A declared column may be called like one of routing there."""
    journal = project / "journal"
    serve_all(journal)
    (path,) = (journal / "served").rglob("*.parquet")
    table = pl.read_parquet(path, hive_partitioning=False).drop("fallback", "bucket")
    table.with_columns(routing_key=pl.lit(7), arm=pl.lit("champion"), route=pl.lit(0, pl.UInt64)).write_parquet(path)
    assert erase(project).returncode == 0
    left = pl.read_parquet(path, hive_partitioning=False)
    assert left["site"].to_list() == [OTHER] * 4 and left["routing_key"].to_list() == [7] * 4


def test_hashed_keys_go_by_the_hash_and_those_of_another_key_are_named(tmp_path):
    project = make_project(tmp_path)
    (project / ".secrets").mkdir(mode=0o700)
    (project / ".secrets/journal-key").write_text("Jefe\n")
    (project / ".secrets/journal-key").chmod(0o600)
    for key in (b"Jefe", b"another"):
        about = {"columns": {}, "caller_key": "keyed_hash", "key_fingerprint": fingerprint(key)}
        world = World(project / "journal", about)
        world.answer(1, sites=[OTHER], route=ROUTE, routed=[by_key(pseudonym(key, USER.encode()).decode())])
        world.writer.close()
    done = erase(project)
    assert "erased 0 rows in 1 segments" in done.stdout, done.stderr
    assert f"1 segments of the journal: the routing key was hashed with another key (fingerprint {fingerprint(b'another')})" in (
        done.stdout
    )
    keys = [row["routing_key"] for path in (project / "journal/segments").iterdir() for row in read(path)["rows"]]
    assert sorted(map(str, keys)) == sorted(["None", pseudonym(b"another", USER.encode()).decode()])


def test_a_whole_number_is_found_as_a_key_however_it_is_spelt(tmp_path):
    world = World(tmp_path)
    world.answer(1, 1, sites=["x", "x"], route=ROUTE, routed=[by_key("07"), by_key("70")])
    world.writer.close()
    content = world.segments()[0].read_bytes()
    start = content.index(b"\xf7JR\n", 20) + 16
    record = AnswerRecord.of(content[start : content.index(b"\xf7JR\n", start)])
    wanted = Wanted(column="site", value="7", is_whole=True, in_caller_keys=False, key=None)
    assert record.requests_routed_by(wanted, Kind.of(ABOUT)).tolist() == [0]
    record.sections[ROUTING] += b"\0"
    with pytest.raises(Unreadable, match="section 17 has 17 bytes, expected 2 x 8"):
        AnswerRecord.of(record.payload())


@pytest.mark.parametrize("first", [0, *(pytest.param(first, marks=pytest.mark.slow) for first in range(1, STEP))])
def test_killed_at_any_point_and_run_again_it_ends_the_same(project, first):
    journal = project / "journal"
    serve_all(journal)
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    for left in range(first, 10_000, STEP):
        command = [*killed_after(left, "lifecycle.erase", CALLS), "--", USER]
        killed = subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, check=False)
        assert len(served(journal).filter(site=OTHER)) == 4 and len(shadowed(journal).filter(site=OTHER)) == 2
        if killed.returncode == 0:
            break
        assert killed.returncode == 9, killed.stderr
    assert left > first + STEP and len(served(journal)) == 4 and len(shadowed(journal)) == 2
    assert routing(read(next((journal / "segments").iterdir()))["rows"]) == EXPECTED
    assert not [*(journal / "partial").iterdir()]
