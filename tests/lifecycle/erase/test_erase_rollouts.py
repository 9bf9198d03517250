"""A user's rows go out of what rollouts rest on, by the hash of the routing key, and nobody else's."""

from dataclasses import replace
from datetime import timedelta

import polars as pl
import pytest

from contracts.overrides import read_overrides
from lifecycle.erase import rollouts
from lifecycle.erase.wanted import Wanted
from lifecycle.rollout.control.control import only_controller
from lifecycle.rollout.control.files import Decision, Remembered, append_decision, write_state
from lifecycle.rollout.control.observe import audit_lines, control_of
from lifecycle.rollout.control.settings import SECTIONS
from lifecycle.rollout.evidence.files import read_pairs, write_day
from lifecycle.rollout.pairs import key_hash
from lifecycle.rollout.rollout import Rollout
from lifecycle.rollout.statistics.judge import judge
from serving.triton.journal.privacy import pseudonym
from tests.lifecycle.erase.erase_world import erase, make_project
from tests.lifecycle.rollout.statistics.simulated_pairs import START_NS, STEPS, assigned, settings, simulated

USER, SALT = "user 7", "9f86d081"


def test_a_user_is_found_and_erased_in_every_rollout(tmp_path):
    pairs = simulated(1, days=1, pages=50).with_columns(pl.col("key") + 1)
    theirs = pairs["key"][0]
    for salt in (SALT, "another"):
        rollout = Rollout(name=salt, champion=1, challenger=2, salt=salt, begun_ns=START_NS)
        (tmp_path / salt).mkdir()
        write_state(tmp_path / salt, Remembered(rollout=rollout, config=settings()))
        hashed = pl.when(pl.col("key") == theirs).then(pl.lit(key_hash(salt, USER), pl.UInt64)).otherwise("key").alias("key")
        rows = pairs.with_columns(hashed)
        write_day(tmp_path / salt, rows["answered_at"][0].date(), rows, assigned(rows))
    wanted = Wanted(column="user", value=USER, is_whole=False, in_caller_keys=False, key=None)
    found, number = rollouts.look(tmp_path, wanted), pairs.filter(pl.col("key") == theirs).height
    assert sorted(found.values()) == [1, 1, number, number] and len(found) == 4
    rollouts.erase(found, wanted)
    assert rollouts.look(tmp_path, wanted) == {}
    left = read_pairs(tmp_path / SALT)
    assert (
        left.height == pairs.height - number and left["key"].to_list() == pairs.filter(pl.col("key") != theirs)["key"].to_list()
    )


def rollout_in(root, pairs):
    folder = root / SALT
    folder.mkdir(parents=True)
    rollout = Rollout(name=SALT, champion=1, challenger=2, salt=SALT, begun_ns=START_NS)
    write_state(folder, Remembered(rollout=rollout, config=settings()))
    write_day(folder, pairs["answered_at"][0].date(), pairs, assigned(pairs))
    return folder


def test_a_user_whom_the_journal_hides_is_found_by_the_hash(tmp_path):
    wanted = Wanted(column="user", value=USER, is_whole=False, in_caller_keys=False, key=b"k" * 32)
    pairs = simulated(1, days=1, pages=50)
    hidden = key_hash(SALT, pseudonym(wanted.key, USER.encode()).decode())
    theirs = pl.col("key") == pairs["key"][0]
    rows = pairs.with_columns(pl.when(theirs).then(pl.lit(hidden, pl.UInt64)).otherwise("key").alias("key"))
    rollout_in(tmp_path, rows)
    number = pairs.filter(theirs).height
    assert sorted(rollouts.look(tmp_path, wanted).values()) == [1, number] and number >= 1


def test_rows_that_the_journal_names_go_though_the_routing_key_is_anothers(tmp_path):
    wanted = Wanted(column="user", value=USER, is_whole=False, in_caller_keys=False, key=None)
    pairs = simulated(1, days=1, pages=50)
    folder = rollout_in(tmp_path, pairs)
    theirs = {(pairs["prediction_id"][place], pairs["row"][place]) for place in (3, 7)}
    found = rollouts.look(tmp_path, wanted, theirs)
    assert list(found.values()) == [2]
    left = folder / "pairs/.day=2027-01-01.parquet.1.partial"  # of a look that was killed
    left.write_bytes(b"rows of the user")
    with rollouts.no_controller(tmp_path):
        assert not left.exists()
        rollouts.erase(found, wanted, theirs)
    assert rollouts.look(tmp_path, wanted, theirs) == {}
    kept = read_pairs(folder)
    assert kept.height == pairs.height - 2 and theirs.isdisjoint(kept.select("prediction_id", "row").rows())


def test_it_does_not_erase_beside_a_controller(tmp_path):
    project = make_project(tmp_path)
    root = project / "rollouts"
    with only_controller(root), pytest.raises(ValueError, match="stop `make rollout`"), rollouts.no_controller(root):
        pass
    with only_controller(root):
        ran = erase(project, "--wait", "0", entity=USER)
    assert ran.returncode == 1 and "a controller looks after" in ran.stderr + ran.stdout
    assert not list(project.rglob("erased.jsonl"))


@pytest.mark.parametrize("of", ["labelled", "assigned only"])
def test_verdicts_that_rested_on_an_erased_user_are_audited_from_their_sums(tmp_path, of):
    """The days before the user came are still computed from rows."""
    pairs = simulated(1, days=6, pages=300)
    second_day = pairs["answered_at"][0].date() + timedelta(days=1)
    came = assigned(pairs).filter(pl.col("answered_at").dt.date() >= second_day)
    theirs = pl.col("key") == came["key"][0]
    hashed = pl.when(theirs).then(pl.lit(key_hash(SALT, USER), pl.UInt64)).otherwise("key").alias("key")
    seen = assigned(pairs.with_columns(hashed))
    rows = pairs.filter(~theirs) if of == "assigned only" else pairs.with_columns(hashed)
    rollout = Rollout(name=SALT, champion=1, challenger=2, salt=SALT, begun_ns=START_NS, steps=STEPS)
    folder, day_of = tmp_path / SALT, pl.col("answered_at").dt.date()
    folder.mkdir()
    write_state(folder, Remembered(rollout=rollout, config=settings()))
    for day in rows["answered_at"].dt.date().unique().sort():
        write_day(folder, day, rows.filter(day_of == day), seen.filter(day_of == day))
    for one in judge(rows, seen, STEPS, settings()):
        append_decision(folder, Decision(at_ns=one.until_ns, step=1, action="hold", judgement=one))
    control = replace(control_of(read_overrides([], SECTIONS), print), root=tmp_path)
    lines, is_same = audit_lines(control)
    assert is_same and lines[-1] == f"{SALT}: 6 verdicts (6 from rows, 0 from sums, 0 from neither), 0 differ"
    wanted = Wanted(column="user", value=USER, is_whole=False, in_caller_keys=False, key=None)
    rollouts.erase(rollouts.look(tmp_path, wanted), wanted)
    lines, is_same = audit_lines(control)
    assert is_same and lines[-1] == f"{SALT}: 6 verdicts (1 from rows, 5 from sums, 0 from neither), 0 differ"
