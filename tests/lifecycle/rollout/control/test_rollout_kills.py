"""A controller that is killed at any call which changes the disk comes to the same end when it is started again."""

import os
import shutil
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import count
from pathlib import Path

import pytest

from contracts.serving.fuse import shown
from contracts.serving.release_log import read
from contracts.serving.route import Route
from lifecycle.rollout.control.begin import begin
from lifecycle.rollout.control.control import Control, LookEvidence
from lifecycle.rollout.control.files import read_decisions, read_rollout, read_rollouts, read_state
from lifecycle.rollout.control.look import look_once
from lifecycle.rollout.judgement import Judgement
from lifecycle.rollout.rollout import DECISIONS, Rollout
from tests.lifecycle.killed_program import CALLS
from tests.lifecycle.rollout.control.controlled_world import at_day, judged, tell

PROMOTED = ((0, "hold"), (1.01, "hold"), (3.02, "hold"), (4, "hold"), (5.03, "promote"))
BACK = ((0, "hold"), (1.01, "hold"), (2, "back"))
ENDS = {"promoted": (PROMOTED, Route(champion=2)), "back": (BACK, Route(champion=1))}
LINES = {"promoted": ["begin", "hold", "step", "step", "hold", "promote"], "back": ["begin", "hold", "step", "back"]}


def played(control: Control, plan: Sequence[tuple[float, str]]) -> None:
    """A look on each day of the plan, from where an earlier run was killed."""
    rollout = read_rollout(control.root)
    if rollout is None:
        at_day(0)
        rollout = begin(control, 2)
    passed = Path("day")
    for number, (day, verdict) in enumerate(plan):
        if not passed.is_file() or int(passed.read_text() or 0) <= number:
            at_day(day)
            tell(LookEvidence(labelled=100, judgements=(judged(verdict, day=day, rows=1 + number),)))
            look_once(control)
            passed.write_text(str(number + 1))


def killed(left: int, run: Callable[[], None]) -> bool:
    """Was it killed, in a process of its own, at the call after the first `left` ones; else it has ended."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            _count_down(left)
            run()
            code = 0
        finally:
            os._exit(code)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert status in (0, 9), "the controller failed"
    return status == 9


def _count_down(left: int) -> None:
    def counted(call):
        def counting(*args, **kwargs):
            nonlocal left
            left -= 1
            if left < 0:
                os._exit(9)
            return call(*args, **kwargs)

        return counting

    for name in (*CALLS, "write", "ftruncate"):
        setattr(os, name, counted(getattr(os, name)))


@pytest.mark.parametrize("outcome", ["promoted", "back"])
@pytest.mark.parametrize("apart", [17, pytest.param(1, marks=pytest.mark.slow)])
def test_killed_at_any_moment_it_comes_to_the_same_end(apart, outcome, control, store, promoted, tmp_path):
    plan, route = ENDS[outcome]
    fresh = shutil.copytree(store.folder, tmp_path / "fresh")
    for left in count(0, apart):
        for name in ("models", "rollouts"):
            shutil.rmtree(tmp_path / name, ignore_errors=True)
        (tmp_path / "day").unlink(missing_ok=True)
        shutil.copytree(fresh, store.folder)
        was_killed = killed(left, lambda: played(control, plan))
        whole_after_a_kill(control, store)
        played(control, plan)
        ended = read_rollout(control.root)
        assert (ended.status, ended.outcome, store.route()) == ("ended", outcome, route), left
        lines = read_decisions(control.folder(ended))
        assert [line.action for line in lines] == LINES[outcome], left
        assert len(read_rollouts(control.root)) == 1 and all(step.until_ns is not None for step in ended.steps)
        of_routes = Counter(line["route"] for line in read(store.folder)[0] if line["event"] == "route")
        assert all(step.digest in of_routes for step in ended.steps)
        if not was_killed:
            break
    assert left > 80


def whole_after_a_kill(control: Control, store) -> None:
    """Whatever is in force was decided before: the route's line and the decision's are on the disk."""
    route, rollout = store.route(), read_rollout(control.root)
    if route.trial is not None:
        assert rollout is not None and route.trial.salt == rollout.salt
        assert shown(route.digest) in {line["route"] for line in read(store.folder)[0]}
    if route.champion == 2:
        assert read_decisions(control.folder(rollout))[-1].action == "promote"
    if rollout is not None:
        lines = read_decisions(control.folder(rollout))
        assert len(lines) - 1 <= read_state(control.folder(rollout)).acted <= len(lines)


def test_a_line_that_was_cut_off_was_never_decided(control):
    at_day(0)
    begin(control, 2)
    rollout = read_rollout(control.root)
    path = control.folder(rollout) / DECISIONS
    whole = path.read_bytes()
    at_day(1.01)
    tell(LookEvidence(labelled=100))
    for end in (1, 40, len(whole) - 2):
        path.write_bytes(whole + whole[:end])
        assert len(read_decisions(path.parent)) == 1
    assert [one.action for one in look_once(control)] == ["step"]
    assert [one.action for one in read_decisions(path.parent)] == ["begin", "step"]


def test_decisions_that_are_gone_are_missed(control):
    begin(control, 2)
    (control.folder(read_rollout(control.root)) / DECISIONS).unlink()
    with pytest.raises(ValueError, match=r"1 decisions were acted upon, and 0 are in decisions\.jsonl; bring the file back"):
        look_once(control)


def test_what_is_kept_reads_as_it_was(control):
    begin(control, 2)
    kept = judged("hold", sums={"a": float("inf"), "b": 0.1 + 0.2})
    tell(LookEvidence(judgements=(kept,)))
    look_once(control)
    folder = control.folder(read_rollout(control.root))
    found = read_decisions(folder)[-1].judgement
    assert isinstance(found, Judgement) and found == kept and "Infinity" not in (folder / DECISIONS).read_text()


def test_files_of_another_version_are_said(control):
    begin(control, 2)
    rollout: Rollout | None = read_rollout(control.root)
    folder = control.folder(rollout)
    text = (folder / "state.json").read_text()
    (folder / "state.json").write_text(text.replace('"format": 1', '"format": 2'))
    with pytest.raises(ValueError, match=r"state\.json: expected format 1; it is of another version of adclick"):
        read_rollout(control.root)
    (folder / "state.json").write_text(text.replace('"running"', '"asleep"'))
    with pytest.raises(
        ValueError, match=r"state\.json: rollout\.status: Input should be .*; it is of another version of adclick"
    ):
        read_rollout(control.root)
