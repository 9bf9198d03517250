"""Kills at any point, two at once, and a store that is none."""

import os
import subprocess
import sys

import pytest

from contracts.clock import CLOCK
from lifecycle.feedback import store as store_module
from lifecycle.feedback.store import StoreTaken
from tests.lifecycle.feedback.feedback_world import DAY, START
from tests.lifecycle.killed_program import killed_after
from tests.project.imports import ROOT

KILLED_IN_DUCKDB = """
import os, runpy, sys
left = int(sys.argv.pop(1))
from lifecycle.feedback import store
class Dying:
    def __init__(self, inner): self.inner = inner
    def __getattr__(self, name): return getattr(self.inner, name)
    def execute(self, *args):
        global left
        left -= 1
        if left < 0:
            os.kill(os.getpid(), 9)
        return self.inner.execute(*args)
    def cursor(self): return Dying(self.inner.cursor())
connected = store.connected
store.connected = lambda *args: Dying(connected(*args))
runpy.run_module("lifecycle.feedback", run_name="__main__", alter_sys=True)
"""


def environment():
    return os.environ | {"PYTHONPATH": str(ROOT), CLOCK: os.environ[CLOCK]}


def run(world, command, *args):
    world.write_params()
    done = subprocess.run([*command, *args], cwd=world.folder, env=environment(), capture_output=True, text=True, check=False)
    return done.returncode, done.stdout, done.stderr


def prepared(world):
    world.answer(*({"id": f"r{i}", "key": f"k{i}", "at": START + i} for i in range(40)), name="1")
    world.answer(*({"id": f"r{i}", "key": f"k{i}", "at": START + DAY + i} for i in range(40, 60)), name="2")
    shown = "".join(f"label,k{i},2027-01-18T08:00,{i % 2}\n" for i in range(60))
    return world.file("events.csv", "kind,key,at,clicked\n" + shown + "heartbeat,,2027-01-30,\n")


COMMAND = [sys.executable, "-m", "lifecycle.feedback"]


def whole(world):
    """What must be there in the end, however often it was killed."""
    state = world.state()
    assert (state.received, state.matched + state.duplicate, state.final_rows) == (state.received, state.received, 60)
    assert world.labels() == {(f"r{i}", 0): i % 2 for i in range(60)}


def at_every_point(world, killed, points, path):
    """Kill it there, run it again; nothing is counted twice and nothing is lost."""
    codes = set()
    for point in points:
        code, _, error = run(world, killed(point), str(path))
        codes.add(code)
        assert code in (0, 9, -9), error
        if (world.folder / "feedback/labels/state.json").is_file():
            world.state()
    code, said, error = run(world, COMMAND, str(path))
    assert code == 0, error
    assert "60 labels are final" in said
    whole(world)
    return codes


class Ended(BaseException):
    """As if the process were gone."""


@pytest.mark.parametrize("first", [0, 1, 2, 3])
def test_broken_off_between_two_questions_to_the_store_it_goes_on_where_it_was(world, monkeypatch, first):
    """At every fourth of all of them; what was not committed is gone with the connection."""
    path, connect, point, was_ended = prepared(world), store_module.connected, first, True

    class Dying:
        def __init__(self, inner):
            self.inner, self.left = inner, point

        def __getattr__(self, name):
            return getattr(self.inner, name)

        def execute(self, *args):
            self.left -= 1
            if self.left < 0:
                raise Ended
            return self.inner.execute(*args)

    monkeypatch.setattr(store_module, "connected", lambda *args: Dying(connect(*args)))
    while was_ended:
        try:
            world.run(path)
            was_ended = False
        except Ended:
            point += 4
            if (world.folder / "feedback/labels/state.json").is_file():
                world.state()
    assert point > 40
    whole(world)


def test_killed_in_a_transaction_it_goes_on_where_it_was(world):
    path = prepared(world)
    assert -9 in at_every_point(world, lambda point: [sys.executable, "-c", KILLED_IN_DUCKDB, str(point)], (41,), path)


@pytest.mark.slow
def test_killed_at_any_of_all_questions_to_the_store_it_goes_on_where_it_was(world):
    path = prepared(world)
    at_every_point(world, lambda point: [sys.executable, "-c", KILLED_IN_DUCKDB, str(point)], range(80), path)


@pytest.mark.slow
def test_killed_while_it_writes_files_it_goes_on_where_it_was(world):
    path = prepared(world)
    codes = at_every_point(world, lambda point: killed_after(point, "lifecycle.feedback", ("replace", "fsync")), range(6), path)
    assert 9 in codes


@pytest.mark.parametrize("left", range(4))
def test_broken_off_while_it_writes_files_it_goes_on_where_it_was(world, monkeypatch, left):
    path, replace = prepared(world), os.replace

    def counting(*args):
        nonlocal left
        left -= 1
        if left == -1:
            raise Ended
        replace(*args)

    monkeypatch.setattr(os, "replace", counting)
    try:
        world.run(path)
    except Ended:
        world.run(path)
    whole(world)


def test_a_second_one_is_refused_in_one_sentence(world):
    world.write_params()
    with (
        world.store(),
        pytest.raises(StoreTaken, match=rf"process {os.getpid()} writes to .*feedback; stop it, or wait for it"),
        world.store(),
    ):
        pass


def test_a_store_that_cannot_be_opened_is_named(world):
    (world.folder / "feedback").mkdir()
    (world.folder / "feedback/feedback.duckdb").write_bytes(b"no database" * 1000)
    with pytest.raises(ValueError, match=r"feedback.duckdb cannot be opened: .*restore it from a copy"):
        world.run()
