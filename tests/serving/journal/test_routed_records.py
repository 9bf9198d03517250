"""What a record says of routing: its bytes by hand, as docs/journal.md has them, and who is counted."""

import json
import struct
import time
from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest

from serving.triton.graph import Answer
from serving.triton.journal.layout import CHALLENGER, CHAMPION, FALLBACK, KEY_SENT, NO_ROUTE, NOT_SENT, RELEASE_ASKED, SHADOW
from serving.triton.journal.privacy import pseudonym
from serving.triton.journal.record import Asked, Routed, Seen, answers_payload
from serving.triton.journal.writer import REST_S
from tests.lifecycle.journal.journal_world import ROUTE, START_NS, World
from tests.lifecycle.journal.second_reader import read

SIZES, IDS = (2, 1), [bytes(range(16)), bytes(range(16, 32))]
WRITTEN, LOST = "adclick_journal_total{{{}}}", "adclick_journal_lost_total{{{}}}"


def seen(rows: int) -> Seen:
    """Two strings, a number and an id a row."""
    return Seen(
        text_lengths=np.array([1, 0] * rows), text=b"x" * rows, numbers_NM=np.full((rows, 1), 0.5, dtype=np.float32),
        ids_NK=np.full((rows, 1), 300), p_click_N=np.full(rows, 0.25, dtype=np.float32), images=[], looked_at=[],
        graph_rows=rows + 4,
    )  # fmt: skip


def asked(*sizes: int) -> list[Asked]:
    return [Asked(num_rows=size, request_id="r" * place, event_ns=NOT_SENT, keys=None) for place, size in enumerate(sizes)]


def by_hand(route: int, requests: list[tuple[int, int]], *routing: tuple[int, bytes]) -> bytes:
    """The record of these rows with status and arm of each request, written from the page: head, directory, sections."""
    entries = [
        own + struct.pack("<IIBBH", rows, 12, status, arm, place)
        for place, (own, rows, (status, arm)) in enumerate(zip(IDS, SIZES, requests, strict=True))
    ]
    sections = [
        (1, b"".join(entries)),
        (2, b"r"),
        (6, bytes([1, 0] * 3)),
        (7, b"xxx"),
        (8, struct.pack("<3f", 0.5, 0.5, 0.5)),
        (9, bytes([0xAC, 0x02] * 3)),
        (10, struct.pack("<3f", 0.25, 0.25, 0.25)),
        *routing,
    ]
    head = struct.pack("<HHIIIqQ", len(sections), 0, 3, 2, 7, START_NS, route)
    directory = b"".join(struct.pack("<HI", tag, len(content)) for tag, content in sections)
    return head + directory + b"".join(content for _, content in sections)


def test_without_a_route_a_record_has_the_bytes_that_it_had_before_there_was_routing():
    expected = by_hand(0, [(0, 0), (0, 0)])
    assert answers_payload(12, asked(*SIZES), seen(3), IDS, START_NS) == expected
    assert answers_payload(12, asked(*SIZES), seen(3), IDS, START_NS, NO_ROUTE, [Routed(), Routed()]) == expected


def test_arms_statuses_buckets_flags_and_keys_stand_where_the_page_says():
    routed = [
        Routed(arm=CHALLENGER, status=FALLBACK, bucket=999_999, flags=KEY_SENT, key=b"user 7"),
        Routed(arm=CHAMPION, flags=RELEASE_ASKED),
    ]
    expected = by_hand(
        ROUTE,
        [(3, 2), (0, 1)],
        (17, struct.pack("<IBxxxIBxxx", 999_999, 1, 0xFFFFFFFF, 2)),
        (18, bytes([7, 0])),
        (19, b"user 7"),
    )
    assert answers_payload(12, asked(*SIZES), seen(3), IDS, START_NS, ROUTE, routed) == expected


def test_without_keys_there_are_no_sections_of_keys():
    expected = by_hand(ROUTE, [(0, 2), (0, 0)], (17, struct.pack("<IBxxxIBxxx", 3, 0, 0xFFFFFFFF, 0)))
    assert (
        answers_payload(12, asked(*SIZES), seen(3), IDS, START_NS, ROUTE, [Routed(arm=CHALLENGER, bucket=3), Routed()])
        == expected
    )


def test_the_longest_key_has_a_length_of_two_bytes():
    payload = answers_payload(12, asked(1), seen(1), IDS[:1], START_NS, ROUTE, [Routed(arm=CHAMPION, bucket=1, key=b"k" * 256)])
    assert payload.endswith(b"\x81\x02" + b"k" * 256)


def test_a_shadow_has_the_id_of_its_answer_and_counts_as_no_answer(tmp_path):
    world = World(tmp_path)
    (own,) = world.answer(3, route=ROUTE, routed=[Routed(arm=CHAMPION, bucket=9)])
    assert world.shadow(own, 3, CHAMPION) == [own]
    world.answer(2, 1, route=ROUTE, routed=[Routed(arm=CHALLENGER, status=FALLBACK), Routed(arm=CHAMPION)])
    world.writer.close()
    found = read(world.segments()[0])
    assert found["closed"] == [3, 3, 6, 0]
    assert [(row["prediction_id"], row["arm"]) for row in found["shadows"]] == [(own, "champion")] * 3
    assert [row["fallback"] for row in found["rows"]] == [False] * 3 + [True] * 2 + [False]
    assert (world.counted[WRITTEN.format("requests")], world.counted[WRITTEN.format("rows")]) == (3, 6)


def test_ids_grow_though_shadows_stand_between(tmp_path):
    world = World(tmp_path)
    ids = world.answer(1, 1) or []
    world.shadow(ids[0], 1, CHAMPION)
    ids += world.answer(1) or []
    assert all(first < second for first, second in pairwise(ids))
    world.writer.close()


def test_a_shadow_that_cannot_be_written_is_no_lost_answer(tmp_path):
    world = World(tmp_path)
    (tmp_path / "segments").rmdir()
    world.shadow("01900000-0000-7000-8000-000000000000", 5, CHAMPION)
    assert world.counted.get(LOST.format("requests"), 0) == 0 and "the journal cannot be written" in world.said[0]
    (tmp_path / "segments").mkdir()
    time.sleep(REST_S)
    world.answer(1)
    world.writer.close()
    assert read(world.segments()[0])["losses"] == []


def test_events_are_written_though_evidence_is_not_finite(tmp_path):
    world = World(tmp_path)
    world.happened(
        "fuse", reason="non_finite", evidence={"worst": float("nan"), "largest": float("inf"), "rows": 3, "k": "\u00fc"}
    )
    world.happened("shadow_hour", hour="2026-11-30T12", done=3, failed=0, dropped_by_key=1, dropped_full=2)
    world.writer.close()
    found = read(world.segments()[0])
    assert found["events"][0]["evidence"] == {"worst": "nan", "largest": "inf", "rows": 3, "k": "\u00fc"}
    assert found["events"][1] == world.events[1] and found["closed"] == [2, 0, 0, 0]
    event = json.dumps(world.events[1]).encode()
    assert struct.pack("<II", len(event), 6) in world.segments()[0].read_bytes()


SETTINGS = {
    "ort_threads": 1,
    "journal": {
        "declaration": "0" * 64,
        "categorical": [],
        "numeric": [{"name": "age", "dtype": "float"}],
        "ids": ["age"],
        "outputs": ["probability"],
    },
}


class Rows(SimpleNamespace):
    """Three requests, of which the second is refused."""

    def images(self):
        return []


@pytest.mark.parametrize(
    ("hiding", "written"), [(None, "user 7"), ("drop", None), ("keyed_hash", pseudonym(b"Jefe", b"user 7").decode())]
)
def test_a_model_writes_the_routing_of_what_it_does_not_refuse_with_keys_hidden(
    tmp_path, monkeypatch, inside_triton, hiding, written
):
    (tmp_path / "segments").mkdir()
    (tmp_path / "key").write_text("Jefe")
    monkeypatch.setenv("ADCLICK_JOURNAL", f"1000000 600 0 answer {tmp_path}")
    if hiding is not None:
        monkeypatch.setenv("ADCLICK_JOURNAL_PRIVACY", f"{hiding} 0 {tmp_path}/key")
    requests = [
        SimpleNamespace(num_rows=1, request_id="", event_ns=NOT_SENT, keys=None, numeric_NM=np.ones((1, 1), np.float32))
        for _ in range(3)
    ]
    rows = Rows(requests=requests, refusals=[None, ValueError(), None], text=None, num_rows=3)
    found = Answer(p_click_N=np.full(3, 0.5, np.float32), cat_idx_NF=np.ones((3, 1), np.int64), creative_idx_N=None)
    routed = [Routed(arm=CHAMPION, bucket=1), Routed(), Routed(arm=CHALLENGER, bucket=2, flags=KEY_SENT, key=b"user 7")]
    counters = SimpleNamespace(count=lambda *_, **__: None)
    journal = inside_triton("serving.triton.journal.model").ModelJournal("ctr", 12, SETTINGS, counters, print)
    ids = journal.answers(rows, found, None, ROUTE, routed)
    shadows = [Routed(status=SHADOW, shadowed=IDS[0])] * 3
    assert journal.answers(rows, found, None, ROUTE, shadows)[0] == "00010203-0405-0607-0809-0a0b0c0d0e0f"
    journal.event({"at_ns": 1, "event": "opened", "route": f"{ROUTE:016x}"})
    journal.close()
    (segment,) = [read(path) for path in (tmp_path / "segments").iterdir()]
    assert ids[1] is None and [row["prediction_id"] for row in segment["rows"]] == [ids[0], ids[2]]
    assert [(row["arm"], row["bucket"], row["flags"]) for row in segment["rows"]] == [("champion", 1, 0), ("challenger", 2, 1)]
    assert [row["routing_key"] for row in segment["rows"]] == [None, written]
    assert len(segment["shadows"]) == 2 and segment["events"][0]["event"] == "opened"
    assert b"user 7" not in (tmp_path / "segments").joinpath(segment["about"]["segment"]).read_bytes() or hiding is None
