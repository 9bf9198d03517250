"""What goes from a journal because it is old, or because there is too much, and what stays."""

import json
import os
import shutil
import socket
import subprocess
import sys
import urllib.request
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from contracts.clock import CLOCK, Clock
from lifecycle.journal.retention import expire
from lifecycle.journal.served import only_one, serve_segment, waiting
from serving.journal.bound import GIB, disk_bytes
from tests.lifecycle.journal.journal_world import START_NS, World
from tests.serving.served_world import free_ports, wait_for

ROOT = Path(__file__).parents[3]
START = datetime.fromtimestamp(START_NS / 1e9, UTC)
DAY_NS = 86400 * 10**9


def days(folder: Path, number: int, serve: bool = True) -> Path:
    """A journal with a segment a day."""
    for day in range(number):
        world = World(folder)
        world.now_ns = START_NS + day * DAY_NS
        world.answer(40, 40)
        world.writer.close()
    if serve:
        with only_one(folder):
            for path in waiting(folder):
                serve_segment(folder, path)
    return folder


def segments(folder: Path) -> int:
    return len([*(folder / "segments").glob("*.segment")])


def parquet_days(folder: Path) -> list[str]:
    return sorted(path.parent.parent.name.split("=")[1] for path in (folder / "served").rglob("*.parquet"))


def test_what_is_older_goes_with_its_folders_and_notes(tmp_path):
    folder = days(tmp_path, 5)
    size = disk_bytes(folder)
    removed = expire(folder, keep_days=2, max_gib=None, now=START + timedelta(days=4, minutes=30))
    assert (removed.segments, removed.files, removed.young, removed.is_short) == (2, 2, 0, False)
    assert removed.num_bytes == size - disk_bytes(folder) > 0
    assert segments(folder) == 3 and parquet_days(folder) == ["2027-01-17", "2027-01-18", "2027-01-19"]
    assert len([*(folder / "done").iterdir()]) == 3
    assert sorted(path.name for path in (folder / "served").iterdir()) == [f"answered_day=2027-01-{n}" for n in (17, 18, 19)]
    assert "removed 2 segments and 2 Parquet files, " in str(removed) and "want of room" not in str(removed)


def test_nothing_goes_before_its_rows_are_in_parquet(tmp_path):
    folder = days(tmp_path, 3, serve=False)
    with only_one(folder):
        serve_segment(folder, waiting(folder)[0])
        removed = expire(folder, keep_days=1, max_gib=1e-9, now=START + timedelta(days=400))
        assert removed.segments == removed.files == 1 and removed.is_short
        assert segments(folder) == 2
        assert [serve_segment(folder, path).rows for path in waiting(folder)] == [80, 80]


def test_for_want_of_room_segments_go_first_and_then_the_oldest_rows(tmp_path):
    folder = days(tmp_path, 4)
    room = sum(path.stat().st_size for path in (folder / "served").rglob("*.parquet")) / 0.8 / GIB
    removed = expire(folder, keep_days=None, max_gib=room + 1e-9, now=START + timedelta(days=400))
    assert (removed.segments, removed.files, removed.young, removed.is_short) == (4, 0, 4, False)
    removed = expire(folder, keep_days=None, max_gib=room / 2, now=START)
    assert removed.files == removed.young == 2 and parquet_days(folder) == ["2027-01-17", "2027-01-18"]
    assert "2 of them for want of room (serving.journal.max_gib)" in str(removed)


def test_a_clock_that_jumped_back_removes_nothing(tmp_path):
    folder = days(tmp_path, 2)
    removed = expire(folder, keep_days=1, max_gib=None, now=datetime(1980, 1, 1, tzinfo=UTC))
    assert removed.segments == removed.files == 0 and segments(folder) == 2


def test_a_segment_without_rows_is_as_old_as_its_name_says(tmp_path):
    world = World(tmp_path)
    world.refuse("max")
    world.writer.close()
    with only_one(tmp_path):
        serve_segment(tmp_path, waiting(tmp_path)[0])
    assert expire(tmp_path, keep_days=1, max_gib=None, now=START + timedelta(hours=23)).segments == 0
    assert expire(tmp_path, keep_days=1, max_gib=None, now=START + timedelta(hours=25)).segments == 1


@pytest.mark.parametrize("killed_at", range(10))
def test_killed_while_it_removes_it_goes_on_and_no_row_comes_back(tmp_path, killed_at):
    folder = days(tmp_path, 3)
    program = f"""
import os, sys
from datetime import datetime
from pathlib import Path
from lifecycle.journal.retention import expire
left = {killed_at}
def counted(call):
    def counting(*args, **kwargs):
        global left
        left -= 1
        if left < 0: os._exit(9)
        return call(*args, **kwargs)
    return counting
os.unlink, os.rmdir = counted(os.unlink), counted(os.rmdir)
expire(Path(sys.argv[1]), 1, None, datetime.fromisoformat(sys.argv[2]))
"""
    now = START + timedelta(days=2, hours=2)
    command = [sys.executable, "-c", program, str(folder), now.isoformat()]
    assert subprocess.run(command, cwd=ROOT, check=False).returncode == 9
    with only_one(folder):
        assert waiting(folder) == []
        expire(folder, 1, None, now)
        assert waiting(folder) == [] and segments(folder) == 1 and len(parquet_days(folder)) == 1
        assert len([*(folder / "done").iterdir()]) == 1


def test_the_command_removes_by_the_simulated_clock_and_tells_prometheus(tmp_path):
    folder = days(tmp_path / "journal", 2, serve=False)
    (port,) = free_ports(1)
    world = World(folder)  # which somebody is writing
    world.answer(5)
    now = Clock(start_ns=START_NS + 1000 * DAY_NS, from_ns=0)
    machine = Clock(start_ns=now.start_ns, from_ns=Clock().now_ns(), rate=1)
    command = [sys.executable, "-m", "lifecycle.journal", "--folder", str(folder), "--follow", "--metrics-port", str(port)]
    with subprocess.Popen(command, cwd=ROOT, env=os.environ | {CLOCK: machine.variable()}, stdout=subprocess.PIPE) as running:

        def told() -> dict[str, float]:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as reply:
                    lines = reply.read().decode().splitlines()
            except OSError:
                return {}
            return {name: float(value) for name, value in (line.split() for line in lines if line[0] != "#")}

        try:
            wait_for(lambda: told().get("adclick_journal_removed_files_total") == 4, 20, "both days are removed")
            wait_for(lambda: told()["adclick_journal_parquet_waiting_segments"] == 1, 10, "it looks once more")
            found = told()
        finally:
            running.terminate()
        said = running.communicate()[0].decode()
    assert found["adclick_journal_parquet_rows_total"] == 160 and found["adclick_journal_parquet_waiting_segments"] == 1
    assert 999.9 * 86400 < found["adclick_journal_parquet_lag_seconds"] < 1001 * 86400
    assert found["adclick_journal_disk_limit_bytes"] == 50 * GIB and found["adclick_journal_faulty_segments_total"] == 0
    assert "journal: removed 2 segments and 2 Parquet files" in said and segments(folder) == 1
    world.writer.close()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--metrics-port", "1"], "--metrics-port goes with --follow"),
        (["--follow", "--metrics-port", "{}"], "cannot be used: Addr"),
    ],
)
def test_a_port_that_cannot_be_used_is_told(tmp_path, arguments, said):
    days(tmp_path, 1)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        given = [argument.format(taken.getsockname()[1]) for argument in arguments]
        command = [sys.executable, "-m", "lifecycle.journal", "--folder", str(tmp_path), *given]
        ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.returncode == 1 and said in ended.stderr and "Traceback" not in ended.stderr


def test_notes_say_which_files_hold_the_rows(tmp_path):
    folder = days(tmp_path, 1)
    (note,) = (folder / "done").iterdir()
    assert [(folder / "served" / name).is_file() for name in json.loads(note.read_text())["files"]] == [True]


def test_a_copy_that_was_made_while_all_was_running_is_a_backup(tmp_path):
    folder, copy = tmp_path / "journal", tmp_path / "restored"
    days(folder, 2)
    world = World(folder)
    ids = world.answer(3)
    for part in ("done", "segments", "served"):  # as docs/journal.md has it; meanwhile somebody writes and makes Parquet
        shutil.copytree(folder / part, copy / part)
        ids += world.answer(2)
        other = World(folder)
        other.answer(30)
        other.writer.close()
        with only_one(folder):
            for path in waiting(folder):
                serve_segment(folder, path)
    ended = subprocess.run(
        [sys.executable, "-m", "lifecycle.journal", "--folder", str(copy)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr
    rows = pl.concat([pl.read_parquet(path, hive_partitioning=False) for path in (copy / "served").rglob("*.parquet")])
    assert rows.select("prediction_id", "row").is_unique().all() and rows["prediction_id"].is_in(ids[:2]).sum() == 3 + 2
    assert len(rows) == 2 * 80 + 3 + 2 + 30 * 2  # what was there when `segments` was copied, and what `served` had since
    world.writer.close()
