"""Which release is where: store, route and the journal's last answers."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from contracts.serving.route import Route
from lifecycle.journal.served import only_one, serve_segment, waiting
from lifecycle.monitor.machine.area import look
from lifecycle.monitor.machine.versions import answered_lately
from serving.releases.routing import blow_fuse
from tests.lifecycle.journal.journal_world import START_NS as ANSWERED_NS
from tests.lifecycle.journal.journal_world import a_journal
from tests.lifecycle.machine.machine_world import context, finding
from tests.serving.small_store import canary, small_store

HOUR_NS = 3600 * 10**9


@pytest.fixture
def served(tmp_path, monkeypatch):
    """A project folder with releases 1 to 3, 2 of them served, and a journal whose release 3 answered 312 rows."""
    monkeypatch.chdir(tmp_path)
    small_store(tmp_path, releases=2, served=2)
    a_journal(tmp_path / "journal")
    with only_one(tmp_path / "journal"):
        for path in waiting(tmp_path / "journal"):
            serve_segment(tmp_path / "journal", path)
    return tmp_path


def test_a_row_a_release_says_who_answered_last(served):
    area = look(context(served, ANSWERED_NS + HOUR_NS))
    (table,) = [table for table in area.tables if table.title.startswith("Releases in")]
    known = {row[0]: row for row in table.rows}
    assert list(known) == [3, 2, 1]
    assert (known[3][1], known[3][3]) == ("removed", 312) and known[3][4].startswith("2027-01-15 08:00:00")
    assert (known[2][1], known[2][3], known[2][4]) == ("champion", 0, "none")
    assert known[1][1] in ("kept", "served before")


def test_answers_of_a_day_ago_are_not_late_answers(served):
    assert answered_lately(served / "journal", ANSWERED_NS + 20 * HOUR_NS)[3].rows == 312
    assert answered_lately(served / "journal", ANSWERED_NS + 26 * HOUR_NS) == {}
    assert answered_lately(served / "absent", ANSWERED_NS) == {}


def test_a_blown_fuse_is_a_warning_with_its_reason(served):
    store = small_store(served / "other", releases=2)
    route = canary()
    store.replace_route(store.route(), route)
    now_ns = int(datetime.now(UTC).timestamp() * 1e9)
    where = replace(context(served, now_ns), store=store.folder)
    assert finding(look(where), "route", "fuse").verdict == "ok"
    blow_fuse(store.folder, route, "timeouts", {"share": 0.5})
    found = finding(look(where), "route", "fuse")
    assert found.verdict == "warning" and "its fuse blew (timeouts)" in found.sentence


def test_a_route_that_nobody_renewed_and_one_that_is_broken_are_told(served):
    store = small_store(served / "other", releases=2)
    route = canary(for_s=600)
    store.replace_route(store.route(), route)
    late = int(datetime.now(UTC).timestamp() * 1e9) + 2 * HOUR_NS
    where = replace(context(served, late), store=store.folder)
    found = finding(look(where), "route", "lapsed")
    assert found.verdict == "warning" and 6500 < found.effect < 6700
    (store.folder / "route").write_text("format 1\nchampion x\nend\n")
    assert finding(look(where), "route", "broken").verdict == "warning"
    (store.folder / "route").unlink()
    assert not any(one.subject == "route" for one in look(where).findings)


def test_a_route_without_a_challenger_has_nothing_to_tell(served):
    store = small_store(served / "other", releases=2)
    store.replace_route(store.route(), Route(champion=1))
    assert not any(one.subject == "route" for one in look(replace(context(served), store=store.folder)).findings)


def test_a_file_that_cannot_be_read_is_said_and_ends_nothing(served):
    (path,) = (served / "journal/served").rglob("*.parquet")
    path.write_bytes(b"PAR1 nothing")
    area = look(context(served, ANSWERED_NS + HOUR_NS))
    assert any(note.startswith("who answered last is not known: ") for note in area.notes)
    (table,) = [table for table in area.tables if table.title.startswith("Releases in")]
    assert [row[0] for row in table.rows] == [2, 1]
