"""Rows that a rollout is judged by: answered by either arm, labelled, with what the other release says of them."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from lifecycle.rollout.evidence import gather as gathering
from lifecycle.rollout.evidence.files import days_written
from lifecycle.rollout.pairs import (
    PAIR_SCHEMA,
    RECORDED,
    ROLE_CHALLENGER,
    ROLE_CHAMPION,
    RUN_AGAIN,
    SLICE,
    key_hash,
    key_of_bucket,
)
from serving.triton.journal.layout import CHALLENGER, CHAMPION, FALLBACK, KEY_SENT
from serving.triton.journal.record import Routed
from tests.lifecycle.replay.routed_world import ROUTE, TRIAL, Arms
from tests.lifecycle.rollout.evidence import evidence_world
from tests.lifecycle.rollout.evidence.evidence_world import DAY, LATER_NS, ROLLOUT, STEP, label
from tests.serving.doors import packed


@pytest.fixture
def arms(tmp_path, strict_exported, strict_spec):
    return Arms(tmp_path, strict_exported, strict_spec)


def gathered(arms, rollout=ROLLOUT, **changed):
    return evidence_world.gathered(arms.folder.parent, rollout, **changed)


def test_each_row_has_what_both_releases_say_recorded_or_run_again(arms, strict_rows):
    shadowed = arms.answer(strict_rows, flags=KEY_SENT, key=b"user 7")
    arms.shadow(shadowed, strict_rows)
    alone = arms.answer(strict_rows[3:], flags=KEY_SENT, key=b"user 8")
    theirs = arms.answer(strict_rows[6:], CHALLENGER, flags=KEY_SENT, key=b"user 9")
    arms.to_parquet()
    clicks = {(own, row): row % 2 for own in (shadowed, alone, theirs) for row in range(3)}
    label(arms.folder.parent / "feedback", clicks)
    found = gathered(arms)
    pairs = found.pairs()
    assert found.days == (DAY,) and found.labelled == {0: 3} and found.lacking == 0 and found.feed == ""
    assert {name: pairs.schema[name] for name in PAIR_SCHEMA} == dict(PAIR_SCHEMA)
    by_id = {own: pairs.filter(pl.col("prediction_id") == own) for own in (shadowed, alone, theirs)}
    assert by_id[shadowed]["source"].to_list() == [RECORDED] * 3 and by_id[alone]["source"].to_list() == [RUN_AGAIN] * 3
    assert pairs["arm"].to_list().count(ROLE_CHALLENGER) == 3 and by_id[theirs]["arm"].to_list() == [ROLE_CHALLENGER] * 3
    assert by_id[alone]["key"].to_list() == [key_hash(TRIAL.salt, "user 8")] * 3
    assert {(one, row): clicked for one, row, clicked in pairs.select("prediction_id", "row", "clicked").rows()} == clicks
    for release, name in ((arms.champion, "champion"), (arms.challenger, "challenger")):
        for own, start in ((shadowed, 0), (alone, 3), (theirs, 6)):
            said = probabilities(release, strict_rows[start : start + 3], arms)
            np.testing.assert_allclose(by_id[own].sort("row")[name].to_numpy(), said, atol=1e-6)


def probabilities(release, rows, arms) -> list[float]:
    tensors = packed(rows, release._spec)
    strings = [[value.decode() for value in row] for row in tensors["categorical"]]
    return release.graph(strings, tensors["numeric"].astype(np.float32))[0].tolist()


def test_a_fallback_is_of_the_arm_that_was_assigned(arms, strict_rows):
    own = arms.answer(strict_rows, CHALLENGER, FALLBACK, flags=KEY_SENT, key=b"user 9")
    arms.to_parquet()
    label(arms.folder.parent / "feedback", {(own, 0): 1})
    pairs = gathered(arms).pairs()
    assert pairs["arm"].to_list() == [ROLE_CHALLENGER] and pairs["fell_back"].to_list() == [True]
    assert pairs["source"].to_list() == [RUN_AGAIN] and pairs["champion"][0] != pairs["challenger"][0]


def test_rows_of_other_routes_and_without_a_label_are_none_of_it_but_keys_count(arms, strict_rows):
    own = arms.answer(strict_rows, flags=KEY_SENT, key=b"user 1")
    arms.champion.answer(strict_rows, 3)  # no route
    unlabelled = arms.answer(strict_rows, CHALLENGER, flags=KEY_SENT, key=b"user 2")
    again = arms.answer(strict_rows, flags=KEY_SENT, key=b"user 1")
    arms.to_parquet()
    label(arms.folder.parent / "feedback", {(own, 1): 0, (again, 2): 1})
    found = gathered(arms)
    assert found.pairs().select("prediction_id", "row").rows() == [(own, 1), (again, 2)] and unlabelled
    assert sorted(found.assigned().select("key", "arm").rows()) == sorted(
        [(key_hash(TRIAL.salt, "user 1"), ROLE_CHAMPION), (key_hash(TRIAL.salt, "user 2"), ROLE_CHALLENGER)]
    )


def test_a_day_is_read_once_and_a_killed_look_is_made_again(arms, strict_rows, monkeypatch):
    own = arms.answer(strict_rows, flags=KEY_SENT, key=b"user 1")
    arms.to_parquet()
    feedback = arms.folder.parent / "feedback"
    label(feedback, {(own, 0): 1})
    monkeypatch.setattr(gathering, "write_day", lambda *args: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        gathered(arms)
    monkeypatch.undo()
    first = gathered(arms)
    before = {path: path.read_bytes() for path in first.folder.rglob("*.parquet")}
    assert len(before) == 2 and days_written(first.folder) == [DAY]
    label(feedback, {(own, 0): 1, (own, 1): 1})  # a late correction changes nothing of what was judged
    monkeypatch.setattr(gathering, "day_of", lambda *args: 1 / 0)
    assert gathered(arms).pairs().equals(first.pairs())
    assert before == {path: path.read_bytes() for path in before}


def test_without_the_other_release_rows_are_lacking_and_weigh_on_the_rest_of_their_hour(arms, strict_rows):
    shadowed = arms.answer(strict_rows, flags=KEY_SENT, key=b"user 1")
    arms.shadow(shadowed, strict_rows)
    alone = arms.answer(strict_rows[3:], flags=KEY_SENT, key=b"user 2")
    arms.to_parquet()
    label(arms.folder.parent / "feedback", {(own, row): 0 for own in (shadowed, alone) for row in range(3)})
    (arms.store / "ctr/2/ctr_packed.onnx").write_bytes(b"damaged")
    found = gathered(arms)
    assert found.lacking == 0.5 and found.pairs()["prediction_id"].to_list() == [shadowed] * 3
    assert found.pairs()["weight"].to_list() == [2.0] * 3


def test_a_feed_that_says_nothing_is_told(arms, strict_rows):
    arms.answer(strict_rows)
    arms.to_parquet()
    assert "has not said yet" in gathered(arms).feed
    label(arms.folder.parent / "feedback", {})
    (arms.folder.parent / "feedback/labels/state.json").write_text(f'{{"watermark_ns": {LATER_NS - 10**9 * 86400 * 8}}}')
    assert "8.0 days ago: labels are late" in gathered(arms).feed


def test_watched_columns_are_those_of_the_declaration(arms, strict_rows):
    own = arms.answer(strict_rows, flags=KEY_SENT, key=b"user 1")
    arms.to_parquet()
    label(arms.folder.parent / "feedback", {(own, 0): 1})
    name = next(c["name"] for c in arms.champion.settings["categorical"] if c["dtype"] == "string")
    pairs = gathered(arms, slices=[name]).pairs()
    assert pairs[SLICE + name].to_list() == [str(strict_rows[name][0])]


def test_without_a_declared_slice_columns_of_few_values_are_watched(arms, strict_rows):
    own = arms.answer(strict_rows, flags=KEY_SENT, key=b"user 1")
    arms.to_parquet()
    label(arms.folder.parent / "feedback", {(own, 0): 1})
    names = {name for name in gathered(arms, slices="auto").pairs().columns if name.startswith(SLICE)}
    assert names == {SLICE + name for name in ("site", "device", "view", "mobile", "cold_start")}


def test_rows_stand_in_for_those_of_their_own_step_only(arms, strict_rows):
    digest = ROUTE + 1
    shadowed = arms.answer(strict_rows, flags=KEY_SENT, key=b"user 1")
    arms.shadow(shadowed, strict_rows)
    alone = arms.answer(strict_rows[3:], flags=KEY_SENT, key=b"user 2")
    (later,) = arms.champion.answer(
        strict_rows, 3, route=digest, routed=[Routed(arm=CHAMPION, status=0, bucket=77, flags=KEY_SENT, key=b"user 3")]
    )
    arms.shadow(later, strict_rows)
    arms.to_parquet()
    label(arms.folder.parent / "feedback", {(own, row): 0 for own in (shadowed, alone, later) for row in range(3)})
    (arms.store / "ctr/2/ctr_packed.onnx").write_bytes(b"damaged")
    second = replace(STEP, number=1, digest=f"{digest:016x}")
    pairs = gathered(arms, replace(ROLLOUT, steps=(STEP, second))).pairs()
    assert sorted(pairs.select("step", "weight").rows()) == [(0, 2.0)] * 3 + [(1, 1.0)] * 3


def test_a_key_that_was_not_written_is_its_bucket(arms, strict_rows):
    own = arms.answer(strict_rows)  # the journal has dropped the key, and says bucket 77
    arms.to_parquet()
    label(arms.folder.parent / "feedback", {(own, 0): 1})
    found = gathered(arms)
    assert found.pairs()["key"].to_list() == [key_of_bucket(77)] == found.assigned()["key"].to_list()
    assert key_of_bucket(77) * 10**6 >> 64 == 77 and (key_of_bucket(77) - 1) * 10**6 >> 64 == 76


def test_a_day_with_one_of_its_files_does_not_count(arms, strict_rows):
    own = arms.answer(strict_rows, flags=KEY_SENT, key=b"user 1")
    arms.to_parquet()
    label(arms.folder.parent / "feedback", {(own, 0): 1})
    found = gathered(arms)
    left = found.folder / f"pairs/.day={DAY}.parquet.1.partial"
    left.write_bytes(b"cut off")
    (found.folder / f"assigned/day={DAY}.parquet").unlink()
    assert found.pairs().is_empty() and days_written(found.folder) == []
    assert gathered(arms).pairs().height == 1 and not left.exists()
