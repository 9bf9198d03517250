"""The journal's writer in Python: what it writes, and what becomes of an answer that it cannot write."""

import errno
import os
import time
from uuid import UUID

import numpy as np
import pytest

from lifecycle.journal.leb128 import leb128 as decoded
from serving.triton.journal.options import journal_options
from serving.triton.journal.record import leb128
from serving.triton.journal.writer import REST_S, IdSource, spelled
from tests.lifecycle.journal.journal_world import START_NS, World
from tests.lifecycle.journal.second_reader import read
from tests.serving.served_world import wait_for

LOST, KEPT = "adclick_journal_lost_total", "adclick_journal_total"


@pytest.mark.parametrize("top", [1, 0x80, 0x4000, 2**31, 2**62])
def test_numbers_are_read_as_they_were_written(top):
    values = np.random.default_rng(1).integers(0, top, 5000)
    values[::7] = [0, 127, 128, top - 1][top % 4]
    encoded = leb128(values)
    assert decoded(encoded).tolist() == values.tolist()
    assert leb128(np.array([300, 1])) == b"\xac\x02\x01" and leb128(np.array([], dtype=np.int64)) == b""


def test_ids_sort_by_time_and_grow_though_the_clock_jumps_back():
    one, other = IdSource(), IdSource()
    times = [START_NS, START_NS, START_NS + 100, 5, -3, START_NS + 10**9]
    ids = [spelled(one.draw(now)) for now in times]
    assert ids == sorted(ids) and len({*ids}) == len(ids)
    assert UUID(ids[0]).version == 7 and UUID(ids[0]).int >> 80 == START_NS // 10**6
    assert ids[0][19:] == ids[-1][19:] != spelled(other.draw(START_NS))[19:]


@pytest.mark.parametrize("text", ["", "1 1 0 perhaps /x", "x 1 0 answer /x", "1 1 0 answer"])
def test_an_environment_that_is_not_understood_is_told(monkeypatch, text):
    monkeypatch.setenv("ADCLICK_JOURNAL", text)
    with pytest.raises(ValueError, match="ADCLICK_JOURNAL is not understood: expected 'SEGMENT_BYTES"):
        journal_options()


def test_the_environment_says_how_it_is_kept(monkeypatch):
    monkeypatch.delenv("ADCLICK_JOURNAL", raising=False)
    assert journal_options() is None
    monkeypatch.setenv("ADCLICK_JOURNAL", "7 1.5 20 refuse /a folder")
    found = journal_options()
    assert (found.segment_bytes, found.segment_s, found.sync_ms, found.refuses, str(found.folder)) == (
        7,
        1.5,
        20,
        True,
        "/a folder",
    )


def full_after(monkeypatch, room: int) -> None:
    """From now on so many bytes fit on the disk, and a write takes them before the next one fails."""
    left = [room]

    def writev(file, pieces, write=os.writev):
        content = b"".join(pieces)[: left[0]]
        if not content:
            raise OSError(errno.ENOSPC, "No space left on device")
        left[0] -= len(content)
        return write(file, [content])

    monkeypatch.setattr(os, "writev", writev)


@pytest.mark.parametrize("room", [0, 1, 15, 16, 100, 400])
def test_what_a_full_disk_takes_in_part_is_cut_off_and_counted(tmp_path, monkeypatch, room):
    world = World(tmp_path)
    first = world.answer(2)
    with monkeypatch.context() as patch:
        full_after(patch, room)
        ids = [world.answer(3) for _ in range(4)]
        assert None not in ids and len({own for some in ids for own in some}) == 4
        assert all(row["row"] >= 0 for path in world.segments() for row in read(path)["rows"])  # nothing torn
    time.sleep(REST_S)
    last = world.answer(1)
    world.writer.close()
    found = read(world.segments()[0])
    written = {row["prediction_id"] for row in found["rows"]}
    assert {first[0], last[0]} <= written
    lost = 4 - (len(written) - 2)
    assert [loss[:2] for loss in found["losses"]] == [[lost, 3 * lost]]
    assert (world.counted[f"{LOST}{{rows}}"], world.counted[f"{KEPT}{{requests}}"]) == (3 * lost, len(written))
    assert "No space left on device; answers go on without it" in world.said[0] and "is written again" in world.said[-1]
    assert found["closed"][1:3] == [len(written), len(found["rows"])]


def test_what_cannot_be_written_may_not_leave_if_that_is_wanted(tmp_path):
    world = World(tmp_path, refuses=True)
    (tmp_path / "segments").rmdir()
    assert world.answer(2) is None and world.answer(2) is None
    assert len(world.said) == 1 and "requests are refused (serving.journal.on_error: refuse)" in world.said[0]
    assert f"{LOST}{{rows}}" not in world.counted
    (tmp_path / "segments").mkdir()
    time.sleep(REST_S)
    assert world.answer(2) is not None
    world.writer.close()
    assert read(world.segments()[0])["losses"] == []


def test_a_segment_that_is_removed_takes_its_rows_along(tmp_path):
    world = World(tmp_path)
    world.answer(2), world.answer(5)
    world.segments()[0].unlink()
    wait_for(lambda: world.said, 5, "it is noticed")
    world.answer(1)
    world.writer.close()
    assert world.counted[f"{LOST}{{rows}}"] == 7 and "was removed while it was written" in world.said[0]
    found = read(world.segments()[0])
    assert [loss[:2] for loss in found["losses"]] == [[2, 7]] and len(found["rows"]) == 1


def test_a_segment_ends_when_it_is_old_though_nobody_asks(tmp_path):
    world = World(tmp_path, segment_s=0.3)
    world.answer(2)
    path = world.segments()[0]
    assert read(path)["closed"] is None
    wait_for(lambda: read(path)["closed"], 5, "it is closed")
    world.answer(1)
    assert len(world.segments()) == 2
    world.writer.close()
