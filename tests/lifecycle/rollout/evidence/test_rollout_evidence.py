"""Rows that a rollout is judged by: answered by either arm, labelled, with what the other release says of them."""

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from contracts.lifecycle.rollout import RolloutConfig
from contracts.params import read_section
from lifecycle.feedback.labels import LABEL_SCHEMA
from lifecycle.rollout.evidence import gather as gathering
from lifecycle.rollout.evidence.files import days_written
from lifecycle.rollout.evidence.gather import Sources, gather
from lifecycle.rollout.pairs import PAIR_SCHEMA, RECORDED, ROLE_CHALLENGER, ROLE_CHAMPION, RUN_AGAIN, SLICE, key_hash
from lifecycle.rollout.rollout import Rollout, Step
from serving.triton.journal.layout import CHALLENGER, FALLBACK, KEY_SENT
from tests.lifecycle.replay.replay_world import START_NS
from tests.lifecycle.replay.routed_world import ROUTE, TRIAL, Arms
from tests.serving.doors import packed

DAY = datetime.fromtimestamp(START_NS / 1e9, UTC).date()
LATER_NS = START_NS + 5 * 86400 * 10**9


@pytest.fixture
def arms(tmp_path, strict_exported, strict_spec):
    return Arms(tmp_path, strict_exported, strict_spec)


@pytest.fixture
def rollout():
    step = Step(number=0, mode="canary", share_ppm=TRIAL.share_ppm, digest=f"{ROUTE:016x}", from_ns=START_NS)
    return Rollout(name="r", champion=1, challenger=2, salt=TRIAL.salt, begun_ns=START_NS, steps=(step,))


def label(folder, answers: dict[tuple[str, int], int], day=DAY) -> None:
    """Final labels of rows; a later day has begun, so that this one is complete."""
    for at, chosen in ((day, answers), (day + timedelta(days=1), {("later", 0): 0})):
        instant = datetime(at.year, at.month, at.day, 12, tzinfo=UTC)
        rows = [
            {"prediction_id": own, "row": row, "key": None, "answered_at": instant, "release": 1, "shown_at": instant}
            | {"clicked": clicked, "final_at": instant + timedelta(days=3), "source": "file"}
            for (own, row), clicked in chosen.items()
        ]
        path = folder / "labels" / f"answered_day={at}" / "part-0.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        pl.DataFrame(rows, schema=pl.from_arrow(LABEL_SCHEMA.empty_table()).schema).write_parquet(path)
    (folder / "labels/state.json").write_text(f'{{"watermark_ns": {LATER_NS}}}')


def config(**changed) -> RolloutConfig:
    return read_section("rollout", RolloutConfig, overrides=changed)


def gathered(arms, rollout, **changed):
    sources = Sources(journal=arms.folder, feedback=arms.folder.parent / "feedback", store=arms.store)
    return gather(rollout, arms.folder.parent / "rollouts", sources, config(**changed), LATER_NS)


def test_each_row_has_what_both_releases_say_recorded_or_run_again(arms, rollout, strict_rows):
    shadowed = arms.answer(strict_rows, flags=KEY_SENT, key=b"user 7")
    arms.shadow(shadowed, strict_rows)
    alone = arms.answer(strict_rows[3:], flags=KEY_SENT, key=b"user 8")
    theirs = arms.answer(strict_rows[6:], CHALLENGER, flags=KEY_SENT, key=b"user 9")
    arms.to_parquet()
    clicks = {(own, row): row % 2 for own in (shadowed, alone, theirs) for row in range(3)}
    label(arms.folder.parent / "feedback", clicks)
    found = gathered(arms, rollout)
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


def test_a_fallback_is_of_the_arm_that_was_assigned(arms, rollout, strict_rows):
    own = arms.answer(strict_rows, CHALLENGER, FALLBACK, flags=KEY_SENT, key=b"user 9")
    arms.to_parquet()
    label(arms.folder.parent / "feedback", {(own, 0): 1})
    pairs = gathered(arms, rollout).pairs()
    assert pairs["arm"].to_list() == [ROLE_CHALLENGER] and pairs["fell_back"].to_list() == [True]
    assert pairs["source"].to_list() == [RUN_AGAIN] and pairs["champion"][0] != pairs["challenger"][0]


def test_rows_of_other_routes_and_without_a_label_are_none_of_it_but_keys_count(arms, rollout, strict_rows):
    own = arms.answer(strict_rows, flags=KEY_SENT, key=b"user 1")
    arms.champion.answer(strict_rows, 3)  # no route
    unlabelled = arms.answer(strict_rows, CHALLENGER, flags=KEY_SENT, key=b"user 2")
    again = arms.answer(strict_rows, flags=KEY_SENT, key=b"user 1")
    arms.to_parquet()
    label(arms.folder.parent / "feedback", {(own, 1): 0, (again, 2): 1})
    found = gathered(arms, rollout)
    assert found.pairs().select("prediction_id", "row").rows() == [(own, 1), (again, 2)] and unlabelled
    assert sorted(found.assigned().select("key", "arm").rows()) == sorted(
        [(key_hash(TRIAL.salt, "user 1"), ROLE_CHAMPION), (key_hash(TRIAL.salt, "user 2"), ROLE_CHALLENGER)]
    )


def test_a_day_is_read_once_and_a_killed_look_is_made_again(arms, rollout, strict_rows, monkeypatch):
    own = arms.answer(strict_rows, flags=KEY_SENT, key=b"user 1")
    arms.to_parquet()
    feedback = arms.folder.parent / "feedback"
    label(feedback, {(own, 0): 1})
    monkeypatch.setattr(gathering, "write_day", lambda *args: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        gathered(arms, rollout)
    monkeypatch.undo()
    first = gathered(arms, rollout)
    before = {path: path.read_bytes() for path in first.folder.rglob("*.parquet")}
    assert len(before) == 2 and days_written(first.folder) == [DAY]
    label(feedback, {(own, 0): 1, (own, 1): 1})  # a late correction changes nothing of what was judged
    monkeypatch.setattr(gathering, "day_of", lambda *args: 1 / 0)
    assert gathered(arms, rollout).pairs().equals(first.pairs())
    assert before == {path: path.read_bytes() for path in before}


def test_without_the_other_release_rows_are_lacking_and_weigh_on_the_rest_of_their_hour(arms, rollout, strict_rows):
    shadowed = arms.answer(strict_rows, flags=KEY_SENT, key=b"user 1")
    arms.shadow(shadowed, strict_rows)
    alone = arms.answer(strict_rows[3:], flags=KEY_SENT, key=b"user 2")
    arms.to_parquet()
    label(arms.folder.parent / "feedback", {(own, row): 0 for own in (shadowed, alone) for row in range(3)})
    (arms.store / "ctr/2/ctr_packed.onnx").write_bytes(b"damaged")
    found = gathered(arms, rollout)
    assert found.lacking == 0.5 and found.pairs()["prediction_id"].to_list() == [shadowed] * 3
    assert found.pairs()["weight"].to_list() == [2.0] * 3


def test_a_feed_that_says_nothing_is_told(arms, rollout, strict_rows):
    arms.answer(strict_rows)
    arms.to_parquet()
    assert "has not said yet" in gathered(arms, rollout).feed
    label(arms.folder.parent / "feedback", {})
    (arms.folder.parent / "feedback/labels/state.json").write_text(f'{{"watermark_ns": {LATER_NS - 10**9 * 86400 * 8}}}')
    assert "8.0 days ago: labels are late" in gathered(arms, rollout).feed


def test_watched_columns_are_those_of_the_declaration(arms, rollout, strict_rows):
    own = arms.answer(strict_rows, flags=KEY_SENT, key=b"user 1")
    arms.to_parquet()
    label(arms.folder.parent / "feedback", {(own, 0): 1})
    name = next(c["name"] for c in arms.champion.settings["categorical"] if c["dtype"] == "string")
    pairs = gathered(arms, rollout, slices=[name]).pairs()
    assert pairs[SLICE + name].to_list() == [str(strict_rows[name][0])]
