"""When the next broken candidate begins, which days of the week it spoils, and what the copy of the project is."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from contracts.lifecycle.rollout import RolloutConfig
from contracts.params import read_section
from lifecycle.live.drills.schedule import Drill, add_drill, next_drill, read_drills, weekdays_after_shadow
from lifecycle.live.whole.project import prepare
from lifecycle.rollout.rollout import Rollout
from tests.lifecycle.live.whole.test_broken_candidates import a_drill
from tests.project.imports import ROOT

DRILLS = [a_drill(name="one"), a_drill(name="two")]
PROMOTED = Rollout(name="a", champion=1, challenger=2, salt="s", begun_ns=1, status="ended", outcome="promoted")


def drill(name: str) -> Drill:
    return Drill(name=name, sentence="it is wrong", made_of=2, release=3, begun_ns=5, values=())


def test_drills_wait_for_another_champion_and_follow_each_other():
    assert next_drill(DRILLS, [], []) is None
    assert next_drill(DRILLS, [], [PROMOTED]) == DRILLS[0]
    under_way = Rollout(name="b", champion=2, challenger=3, salt="s", begun_ns=2)
    assert next_drill(DRILLS, [drill("one")], [PROMOTED, under_way]) is None
    back = Rollout(name="b", champion=2, challenger=3, salt="s", begun_ns=2, status="ended", outcome="back")
    assert next_drill(DRILLS, [drill("one")], [PROMOTED, back]) == DRILLS[1]
    assert next_drill(DRILLS, [drill("one"), drill("two")], [PROMOTED, back]) is None


def test_drills_are_remembered_in_their_order(tmp_path):
    path = tmp_path / "drills.json"
    assert read_drills(path) == []
    for name in ("one", "two"):
        add_drill(drill(name), path)
    assert read_drills(path) == [drill("one"), drill("two")]


def test_days_that_are_spoilt_are_none_of_the_shadow_step():
    steps = [{"mode": "shadow", "share": 0, "days": 2, "rows": 0}, {"mode": "canary", "share": 5, "days": 2, "rows": 0}]
    config = read_section("rollout", RolloutConfig, ROOT / "params.yaml", overrides={"steps": steps})
    monday = datetime(2026, 9, 7, 23, 0, tzinfo=UTC)
    assert weekdays_after_shadow(monday, config) == ("5", "6", "7")  # shadow: from Tuesday to Thursday


def test_without_a_model_there_is_no_play(tmp_path):
    with pytest.raises(ValueError, match="make repro.* makes the model that the play begins with"):
        prepare(tmp_path, tmp_path / "copy", [])


def test_a_play_that_was_begun_with_other_settings_is_not_gone_on_with(tmp_path):
    ready = Path(tmp_path / "copy/.git/play-is-ready")
    ready.parent.mkdir(parents=True)
    ready.write_text('["months=2"]')
    prepare(tmp_path, tmp_path / "copy", ["months=2"])
    with pytest.raises(ValueError, match="was begun with other settings"):
        prepare(tmp_path, tmp_path / "copy", [])
