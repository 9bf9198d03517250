"""Arms, shadows and events as readers have them: two data sets, each row in one of them once."""

import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from lifecycle.journal.answers import AnswersPile, Unreadable
from lifecycle.journal.columns import SHADOWS, Kind, table_of
from lifecycle.journal.events import read_events
from lifecycle.journal.retention import expire
from lifecycle.journal.segments import Segment
from lifecycle.journal.served import only_one, serve_segment, waiting
from serving.journal.bound import GIB, disk_bytes
from serving.triton.journal.layout import ANSWERS, ANSWERS_HEAD, CHALLENGER, CHAMPION, EVENT, SECTION, SHADOW
from serving.triton.journal.record import Asked, Routed, answers_payload
from serving.triton.journal.segment import frame
from tests.lifecycle.journal.journal_world import ABOUT, ROUTE, START_NS, World, a_routed_journal
from tests.lifecycle.killed_program import killed_after
from tests.serving.journal.test_routed_records import seen

ROOT = Path(__file__).parents[3]
STEP = 7
COMMAND = [sys.executable, "-m", "lifecycle.journal", "--folder"]
SMALL = {"categorical": [{"name": n, "dtype": "string"} for n in ("a", "b")], "numeric": [{"name": "x", "dtype": "float"}]}
KIND = Kind.of({"schema": SMALL | {"ids": ["a"], "outputs": ["probability"]}})


def rows_of(folder: Path, dataset: str) -> pl.DataFrame:
    files = sorted((folder / dataset).rglob("*.parquet"))
    return pl.concat([pl.read_parquet(path, hive_partitioning=False) for path in files]) if files else pl.DataFrame()


def serve_all(folder: Path) -> None:
    with only_one(folder):
        for path in waiting(folder):
            serve_segment(folder, path)


def test_answers_and_shadows_lie_apart_with_the_same_columns(tmp_path):
    world = a_routed_journal(tmp_path)
    serve_all(tmp_path)
    answers, shadows = rows_of(tmp_path, "served"), rows_of(tmp_path, "shadowed")
    assert answers.schema == shadows.schema and answers.select("prediction_id", "row").is_unique().all()
    kinds = {"arm": pl.String, "route": pl.UInt64, "fallback": pl.Boolean, "bucket": pl.UInt32, "routing_key": pl.String}
    assert {name: answers.schema[name] for name in kinds} == kinds
    arms = [None] * 2 + ["champion"] * 2 + ["challenger"] * 3 + [None] + ["challenger"] * 4 + [None]
    assert answers["arm"].to_list() == arms
    assert answers["route"].to_list() == [None] * 2 + [ROUTE] * 10 + [None]
    assert answers["fallback"].to_list() == [False] * 8 + [True] * 4 + [False]
    assert answers["bucket"].to_list() == [None] * 2 + [999_999] * 2 + [0] * 3 + [None] + [128] * 4 + [None]
    assert answers["routing_key"].to_list() == [None] * 2 + ["k\u00fc"] * 2 + [None] * 9
    assert shadows["arm"].to_list() == ["challenger"] * 3 + ["champion"] and shadows["bucket"].to_list() == [7] * 4
    assert shadows["prediction_id"].to_list() == [answers["prediction_id"][4]] * 3 + [answers["prediction_id"][2]]
    assert shadows["image_sha256"].to_list() == [None] * 3 + [(b"s" * 32).hex()]
    note = json.loads((tmp_path / "done" / f"{world.segments()[0].name}.json").read_text())
    assert (note["rows"], note["shadow_rows"], len(note["files"]), len(note["shadow_files"])) == (13, 4, 1, 1)
    assert (tmp_path / "shadowed" / note["shadow_files"][0]).is_file() and note["events"] == world.events


def test_a_segment_of_shadows_alone_has_no_file_of_answers(tmp_path):
    world = World(tmp_path)
    world.shadow("01900000-0000-7000-8000-000000000000", 2, CHAMPION)
    world.writer.close()
    serve_all(tmp_path)
    assert rows_of(tmp_path, "served").is_empty() and len(rows_of(tmp_path, "shadowed")) == 2
    assert not [*(tmp_path / "partial").iterdir()]


def tables(*payloads: bytes):
    pile = AnswersPile(KIND.widths)
    for payload in payloads:
        pile.add(payload, 0, len(payload))
    answers = pile.take()
    return table_of(answers, KIND), table_of(answers, KIND, SHADOWS)


def payload(routed: list[Routed] | None, rows: int = 1) -> bytes:
    requests = [Asked(num_rows=1, request_id="", event_ns=0, keys=None) for _ in range(rows)]
    return answers_payload(
        3, requests, seen(rows), [bytes([n]) * 16 for n in range(rows)], START_NS, ROUTE if routed else 0, routed
    )


@pytest.mark.parametrize("places", [(0,), (1,), (2,), (0, 2), (0, 1, 2), ()])
def test_records_with_and_without_a_route_may_stand_in_any_order(places):
    routed = [Routed(arm=CHALLENGER, bucket=5, key=b"k"), Routed(arm=CHAMPION, bucket=6)]
    answers, shadows = tables(*(payload(routed if place in places else None, 2) for place in range(3)))
    expected = [bucket for place in range(3) for bucket in ((5, 6) if place in places else (None, None))]
    assert answers["bucket"].to_pylist() == expected and len(shadows) == 0
    assert answers["routing_key"].to_pylist() == ["k" if bucket == 5 else None for bucket in expected]
    assert answers["arm"].to_pylist() == [{5: "challenger", 6: "champion"}.get(bucket) for bucket in expected]


def test_keys_without_the_section_of_routing_are_read_and_an_arm_that_is_not_known_has_no_name():
    first = payload([Routed(arm=7, bucket=1, key=b"a"), Routed(arm=1)], 2)
    sections = ANSWERS_HEAD.unpack_from(first)[0]
    directory = bytearray(first)
    place = next(p for p in range(sections) if SECTION.unpack_from(first, ANSWERS_HEAD.size + p * SECTION.size)[0] == 17)
    directory[ANSWERS_HEAD.size + place * SECTION.size] = 99  # a tag that nobody knows
    answers, _ = tables(payload(None), bytes(directory), payload(None))
    assert answers["routing_key"].to_pylist() == [None, "a", None, None]
    assert answers["bucket"].to_pylist() == [None] * 4 and answers["arm"].to_pylist() == [None, None, "champion", None]


@pytest.mark.parametrize(
    ("tag", "change", "words"),
    [
        (17, lambda content: content[:-1], "section 17 has 15 bytes, expected 2 x 8"),
        (17, lambda content: content + bytes(8), "section 17 has 24 bytes, expected 2 x 8"),
        (18, lambda content: content + b"\1", "it has 3 routing keys, expected 2"),
        (18, lambda content: content[:1], "it has 1 routing keys, expected 2"),
        (19, lambda content: content + b"x", "it has 3 bytes of routing keys, expected 2"),
        (19, lambda content: content[:-1], "it has 1 bytes of routing keys, expected 2"),
    ],
)
def test_what_is_no_routing_is_told_and_the_segment_is_left(tmp_path, tag, change, words):
    world = World(tmp_path, {"schema": ABOUT["schema"] | SMALL | {"ids": ["a"]}})
    whole = payload([Routed(arm=CHALLENGER, bucket=5, key=b"k"), Routed(arm=CHAMPION, bucket=6, key=b"j")], 2)
    sections, *head = ANSWERS_HEAD.unpack_from(whole)
    entries = [SECTION.unpack_from(whole, ANSWERS_HEAD.size + n * SECTION.size) for n in range(sections)]
    at, parts = ANSWERS_HEAD.size + sections * SECTION.size, {}
    for known, size in entries:
        parts[known], at = whole[at : at + size], at + size
    parts[tag] = change(parts[tag])
    directory = b"".join(SECTION.pack(known, len(part)) for known, part in parts.items())
    world.writer.write(ANSWERS, b"".join([ANSWERS_HEAD.pack(sections, *head), directory, *parts.values()]))
    world.writer.close()
    with only_one(tmp_path), pytest.raises(Unreadable, match=words):
        serve_segment(tmp_path, world.segments()[0])
    done = subprocess.run([*COMMAND, str(tmp_path)], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1 and words in done.stderr and "Traceback" not in done.stderr
    assert rows_of(tmp_path, "served").is_empty() and not [*(tmp_path / "done").iterdir()]


@pytest.mark.parametrize("first", [0, *(pytest.param(first, marks=pytest.mark.slow) for first in range(1, STEP))])
def test_killed_at_any_point_and_run_again_each_shadow_is_there_once(tmp_path, first):
    folder = a_routed_journal(tmp_path / "journal", segment_bytes=600).folder
    a_routed_journal(folder)
    for left in range(first, 10_000, STEP):
        command = [*killed_after(left, "lifecycle.journal"), "--folder", str(folder)]
        killed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        for dataset in ("served", "shadowed"):
            rows = rows_of(folder, dataset)
            assert rows.is_empty() or rows.select("prediction_id", "row").is_unique().all()
        if killed.returncode == 0:
            break
        assert killed.returncode == 9, killed.stderr
    assert left > first and len(rows_of(folder, "served")) == 26 and len(rows_of(folder, "shadowed")) == 8
    again = subprocess.run([*COMMAND, str(folder)], cwd=ROOT, capture_output=True, text=True, check=False)
    assert again.returncode == 0 and again.stdout.startswith("journal: 0 rows of 0 segments")
    assert not [*(folder / "partial").iterdir()]


def test_the_command_counts_shadows_beside_answers(tmp_path):
    a_routed_journal(tmp_path)
    done = subprocess.run([*COMMAND, str(tmp_path)], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (
        done.stdout == f"journal: 13 rows of 1 segments are in {tmp_path / 'served'}, 4 of shadows in {tmp_path / 'shadowed'}\n"
    )


def test_shadows_go_when_they_are_old_and_when_there_is_no_room(tmp_path):
    for day in range(3):
        world = World(tmp_path)
        world.now_ns = START_NS + day * 86400 * 10**9
        ids = world.answer(40, route=ROUTE, routed=[Routed(arm=CHAMPION, bucket=1)])
        world.shadow(ids[0], 40, CHAMPION)
        world.writer.close()
    serve_all(tmp_path)
    start = datetime.fromtimestamp(START_NS / 1e9, UTC)
    size = disk_bytes(tmp_path)
    removed = expire(tmp_path, keep_days=1, max_gib=None, now=start + timedelta(days=2, hours=1))
    assert (removed.segments, removed.files) == (1, 2) and removed.num_bytes == size - disk_bytes(tmp_path)
    days = [path.name for path in sorted((tmp_path / "shadowed").iterdir())]
    assert days == ["answered_day=2027-01-16", "answered_day=2027-01-17"] and len([*(tmp_path / "done").iterdir()]) == 2
    files = sum(path.stat().st_size for name in ("served", "shadowed") for path in (tmp_path / name).rglob("*.parquet"))
    removed = expire(tmp_path, keep_days=None, max_gib=files / 2 / 0.8 / GIB, now=start)
    assert (removed.segments, removed.files, removed.is_short) == (2, 2, False)
    assert [path.name for path in (tmp_path / "shadowed").iterdir()] == ["answered_day=2027-01-17"]
    assert len(rows_of(tmp_path, "served")) == len(rows_of(tmp_path, "shadowed")) == 40


def test_a_note_stays_as_long_as_a_file_of_shadows(tmp_path):
    world = World(tmp_path)
    world.shadow("01900000-0000-7000-8000-000000000000", 2, CHAMPION)
    world.writer.close()
    serve_all(tmp_path)
    world.segments()[0].unlink()
    expire(tmp_path, keep_days=None, max_gib=None, now=datetime.fromtimestamp(START_NS / 1e9, UTC))
    assert len([*(tmp_path / "done").iterdir()]) == 1 and len(rows_of(tmp_path, "shadowed")) == 2


def test_events_are_read_by_time_from_notes_and_from_segments_that_are_written(tmp_path):
    assert read_events(tmp_path) == []
    first = a_routed_journal(tmp_path)
    serve_all(tmp_path)
    first.segments()[0].unlink()
    late = World(tmp_path)
    late.now_ns = START_NS - 1
    late.happened("renewed")
    late.now_ns = START_NS + 10**12
    late.happened("closed")
    expected = [late.events[0], *first.events, late.events[1]]
    assert read_events(tmp_path) == expected
    late.writer.close()
    serve_all(tmp_path)
    assert read_events(tmp_path) == expected


@pytest.mark.parametrize("content", [b"{", b"[1]", b"\xff"])
def test_an_event_that_is_no_object_is_told_and_the_rest_is_read(tmp_path, content):
    world = World(tmp_path)
    world.answer(2)
    world.happened("opened")
    world.writer.write(EVENT, content)
    world.answer(1)
    world.writer.close()
    segment = Segment(world.segments()[0])
    (_, broken) = [found for found in segment.frames() if found.kind == EVENT]
    segment.close()
    done = subprocess.run([*COMMAND, str(tmp_path)], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (
        done.returncode == 1 and f"bytes {broken.start} to {broken.end}: no frame can be read; the rest was read" in done.stderr
    )
    assert len(rows_of(tmp_path, "served")) == 3 and read_events(tmp_path) == world.events


def test_events_survive_a_frame_that_is_torn(tmp_path):
    world = World(tmp_path)
    world.happened("opened")
    world.writer.close()
    path = world.segments()[0]
    path.write_bytes(path.read_bytes() + frame(EVENT, json.dumps({"at_ns": 1, "event": "closed"}).encode())[:-2])
    assert read_events(tmp_path) == world.events


def test_shadow_is_the_only_status_that_is_no_answer():
    answers, shadows = tables(payload([Routed(status=status, shadowed=b"s" * 16) for status in range(4)], 4))
    assert [own[:2] for own in answers["prediction_id"].to_pylist()] == ["00", "03"]
    assert [own[:2] for own in shadows["prediction_id"].to_pylist()] == [f"{SHADOW:02}"]
