"""The area "journal": lag, losses, damage and room, of journals made by hand."""

import json
from pathlib import Path

import pytest
import yaml

from contracts.clock import CLOCK
from lifecycle.journal.served import only_one, serve_segment, waiting
from lifecycle.monitor.findings import Area
from lifecycle.monitor.journal_health import look
from tests.lifecycle.journal.journal_world import START_NS, a_journal
from tests.lifecycle.machine.machine_world import context, finding
from tests.project.imports import ROOT

SECOND_NS = 10**9


@pytest.fixture
def journal(tmp_path, monkeypatch) -> Path:
    """In a project folder; one closed segment of 312 rows, which is not Parquet."""
    monkeypatch.chdir(tmp_path)
    a_journal(tmp_path / "journal")
    params = yaml.safe_load((ROOT / "params.yaml").read_text())
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(params))
    return tmp_path / "journal"


def serve(journal: Path) -> dict:
    """Make Parquet of all; what is noted of the last segment."""
    with only_one(journal):
        for path in waiting(journal):
            serve_segment(journal, path)
    return json.loads(max((journal / "done").iterdir()).read_text())


def seen(journal: Path, seconds: float) -> Area:
    return look(context(journal.parent, START_NS + int(seconds * SECOND_NS)))


@pytest.mark.parametrize(("seconds", "verdict"), [(10, "ok"), (299, "ok"), (301, "warning"), (3700, "page")])
def test_segments_that_nobody_makes_parquet_are_told(journal, seconds, verdict):
    found = finding(seen(journal, seconds), "parquet", "lag")
    assert (found.verdict, round(found.effect)) == (verdict, seconds)
    assert "1 segments are not Parquet yet, 1 of them closed" in found.sentence


def test_a_journal_that_is_parquet_has_no_lag_and_nothing_to_tell(journal):
    serve(journal)
    area = seen(journal, 3000)
    assert {one.verdict for one in area.findings} == {"ok"} and area.notes == []
    assert {f"{one.subject}/{one.kind}" for one in area.findings} == {
        "parquet/lag", "rows/lost", "segments/damaged", "disk/room", "images/room",
    }  # fmt: skip


def test_a_clock_that_goes_faster_makes_no_lag(journal, monkeypatch):
    monkeypatch.setenv(CLOCK, f"{START_NS} 0 100")
    assert finding(seen(journal, 20_000), "parquet", "lag").effect == pytest.approx(200)


@pytest.mark.parametrize(("lost", "verdict"), [(0, "ok"), (1, "warning"), (31, "page")])
def test_rows_that_were_not_written_are_told(journal, lost, verdict):
    done = serve(journal)
    (note,) = (journal / "done").iterdir()
    note.write_text(json.dumps(done | {"lost_rows": lost}))
    found = finding(seen(journal, 60), "rows", "lost")
    assert (found.verdict, found.effect) == (verdict, pytest.approx(lost / (312 + lost)))
    assert finding(seen(journal, 25 * 3600), "rows", "lost").verdict == "ok"  # of the day before


def test_bytes_that_somebody_changed_are_told_and_a_torn_end_is_not(journal):
    (path,) = (journal / "segments").glob("*.segment")
    whole = path.read_bytes()
    path.write_bytes(whole[:-3])
    serve(journal)
    assert finding(seen(journal, 60), "segments", "damaged").verdict == "ok"
    (journal / f"done/{path.name}.json").unlink()
    path.write_bytes(whole[: len(whole) // 2] + bytes(40) + whole[len(whole) // 2 + 40 :])
    serve(journal)
    found = finding(seen(journal, 60), "segments", "damaged")
    assert found.verdict == "warning" and path.name in found.sentence


def test_a_segment_that_others_overtook_cannot_be_read(journal):
    serve(journal)
    (path,) = (journal / "segments").glob("*.segment")
    day, rest = path.name.split("T")
    old = path.with_name(f"{day}T07{rest[2:]}")
    old.write_bytes(b"nothing")
    found = finding(seen(journal, 120), "segments", "damaged")
    assert found.verdict == "warning" and old.name in found.sentence


def test_notes_that_cannot_be_read_are_said(journal):
    serve(journal)
    (note,) = (journal / "done").iterdir()
    note.write_text("{")
    assert any("cannot be read; remove it and run python -m lifecycle.journal" in one for one in seen(journal, 60).notes)


@pytest.mark.parametrize(("share", "verdict"), [(0.5, "ok"), (0.91, "warning"), (0.96, "page")])
def test_room_is_held_against_the_bound(journal, share, verdict):
    serve(journal)
    size = sum(path.stat().st_size for part in ("segments", "served") for path in (journal / part).rglob("*") if path.is_file())
    params = yaml.safe_load(Path("params.yaml").read_text())
    params["serving"]["journal"]["max_gib"] = size / share / 2**30
    Path("params.yaml").write_text(yaml.safe_dump(params))
    found = finding(seen(journal, 60), "disk", "room")
    assert (found.verdict, found.effect) == (verdict, pytest.approx(share))


def test_a_journal_that_is_full_is_a_page(journal):
    (journal / "full").touch()
    found = finding(seen(journal, 60), "disk", "room")
    assert found.verdict == "page" and found.sentence.endswith("nothing more is written")


def test_without_settings_room_is_not_judged_and_without_a_journal_nothing_is(journal, tmp_path):
    Path("params.yaml").unlink()
    area = seen(journal, 60)
    assert any("params.yaml is missing" in note for note in area.notes)
    assert not any(one.kind == "room" for one in area.findings)
    nothing = look(context(tmp_path / "empty"))
    assert nothing.findings == () and "there is no journal in" in nothing.notes[0]
