"""The fuse of a route: written whole, by whoever comes first, and never changed."""

import json
import multiprocessing
import os
import signal
import time
from collections import Counter
from pathlib import Path

import pytest

from contracts.serving.fuse import UNREADABLE, Fuse, fuse_path, read_fuse, shown, write_fuse

DIGEST = 0x00AB_0000_0000_0001
EVIDENCE = {"requests": 20, "errors": 7}


def test_a_fuse_says_which_route_why_and_when(tmp_path):
    path = fuse_path(tmp_path, DIGEST)
    assert path == tmp_path / "fuses" / "00ab000000000001.json"
    assert read_fuse(tmp_path, DIGEST) is None
    assert write_fuse(tmp_path, DIGEST, "errors", EVIDENCE, 123)
    assert read_fuse(tmp_path, DIGEST) == Fuse(reason="errors", at_ns=123, evidence=EVIDENCE)
    assert json.loads(path.read_text()) == {
        "route": "00ab000000000001", "reason": "errors", "at": 123, "evidence": {"requests": 20, "errors": 7},
    }  # fmt: skip
    assert [*path.parent.iterdir()] == [path]


def test_the_first_one_stays(tmp_path):
    path = fuse_path(tmp_path, DIGEST)
    assert write_fuse(tmp_path, DIGEST, "errors", EVIDENCE, 1)
    content = path.read_bytes()
    assert not write_fuse(tmp_path, DIGEST, "mean", {}, 2)
    assert path.read_bytes() == content and [*path.parent.iterdir()] == [path]


def race(folder: str, number: int, barrier, won) -> None:
    barrier.wait()
    won.put(write_fuse(Path(folder), DIGEST, "errors", {"by": number, "much": "x" * 50_000}, number))


def test_of_many_at_once_one_writes_it(tmp_path):
    context = multiprocessing.get_context("fork")
    barrier, won = context.Barrier(6), context.Queue()
    processes = [context.Process(target=race, args=(str(tmp_path), number, barrier, won)) for number in range(6)]
    for process in processes:
        process.start()
    assert Counter(won.get(timeout=30) for _ in processes) == {True: 1, False: 5}
    for process in processes:
        process.join()
    told = json.loads(fuse_path(tmp_path, DIGEST).read_text())
    assert told["at"] == told["evidence"]["by"] and len([*(tmp_path / "fuses").iterdir()]) == 1


def blow_many(folder: str) -> None:
    for number in range(100_000):
        write_fuse(Path(folder), number, "p99", {"much": "x" * 100_000}, number)


def test_a_kill_leaves_no_half_of_one(tmp_path):
    process = multiprocessing.get_context("fork").Process(target=blow_many, args=(str(tmp_path),))
    process.start()
    deadline = time.monotonic() + 20
    while len([*tmp_path.glob("fuses/*.json")]) < 5 and time.monotonic() < deadline:
        time.sleep(0.005)
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    found = [*(tmp_path / "fuses").glob("[!.]*.json")]
    assert len(found) >= 5
    for path in found:
        assert shown(json.loads(path.read_text())["at"]) == path.stem


def test_where_nothing_can_be_written_it_says_so(tmp_path):
    (tmp_path / "fuses").write_text("a file")
    with pytest.raises(OSError, match="fuses|exists|directory"):
        write_fuse(tmp_path, DIGEST, "errors", EVIDENCE, 1)


@pytest.mark.parametrize("content", ["", "{}", "[1]", '{"reason": "p99"}', '{"reason": "p99", "at": "soon", "evidence": {}}'])
def test_one_that_cannot_be_read_is_blown_all_the_same(content, tmp_path):
    path = fuse_path(tmp_path, DIGEST)
    path.parent.mkdir()
    path.write_text(content)
    assert read_fuse(tmp_path, DIGEST) == Fuse(reason=UNREADABLE)
