"""What users ask of a rollout, what stands in its way, and what somebody else does to its route."""

import getpass
import shutil
import threading
from dataclasses import replace

import pytest

from contracts.serving.release_log import read
from contracts.serving.releases import EXPORTED
from contracts.serving.route import Route
from lifecycle.deploy import tried
from lifecycle.rollout.control import effects
from lifecycle.rollout.control.begin import begin
from lifecycle.rollout.control.commands import asked, status_lines
from lifecycle.rollout.control.control import LookEvidence, changing, only_controller
from lifecycle.rollout.control.files import read_rollout, read_rollouts, read_state
from lifecycle.rollout.control.look import look_once
from lifecycle.rollout.control.settings import words_and_settings
from lifecycle.route.change import set_route
from lifecycle.route.words import change_of
from serving.releases.routing import blow_fuse
from tests.lifecycle.rollout.control.controlled_world import (
    actions,
    at_day,
    control_in,
    decisions,
    judged,
    stored,
    tell,
)
from tests.serving.small_store import add_release


def at_canary(control):
    begin(control, 2)
    at_day(1.01)
    tell(LookEvidence(labelled=100))
    look_once(control)
    tell(LookEvidence())


def test_a_pause_gives_all_to_the_champion_and_resume_gives_the_same_users_back(control, store, capsys):
    at_canary(control)
    before = store.route()
    asked(control, "pause", "a holiday")
    assert (store.route().mode, store.route().trial.shadow_ppm, store.route().trial.salt) == ("shadow", 0, before.trial.salt)
    at_day(20)
    tell(LookEvidence(labelled=100, judgements=(judged("back"),)))
    assert look_once(control) == []  # nothing is judged meanwhile
    tell(LookEvidence())
    with pytest.raises(ValueError, match=r"the rollout is paused already \(2027-03-01-2-"):
        asked(control, "pause", "")
    assert status_lines(control)[0].endswith(f"paused by {getpass.getuser()}: a holiday")
    asked(control, "resume", "")
    assert store.route().digest == before.digest
    rollout = read_rollout(control.root)
    assert [(step.number, step.until_ns is None) for step in rollout.steps] == [(0, False), (1, False), (1, True)]
    at_day(21.9)  # 0 and 1.9 days of this step
    tell(LookEvidence(labelled=100))
    look_once(control)
    assert store.route().digest == before.digest
    at_day(22.1)
    look_once(control)
    assert store.route().trial.share_ppm == 500_000
    assert actions(control) == ["begin", "step", "pause", "resume", "step"]


def test_abort_and_promote_need_a_reason_and_a_rollout(control, store, promoted):
    for action in ("abort", "promote"):
        with pytest.raises(ValueError, match=f'{action} needs a reason, which is kept: make rollout SET={action} WHY="..."'):
            asked(control, action, " ")
    for action in ("abort", "promote", "pause", "resume"):
        with pytest.raises(ValueError, match="no rollout is under way; `make rollout` begins one with the newest export"):
            asked(control, action, "so")
    begin(control, 2)
    with pytest.raises(ValueError, match="the rollout is running already"):
        asked(control, "resume", "")
    asked(control, "abort", "complaints")
    ended = read_rollout(control.root)
    assert (ended.outcome, ended.why, store.route()) == ("aborted", "complaints", Route(champion=1))
    last = decisions(control)[-1]
    assert (last.action, last.reasons) == ("abort", ("complaints",)) and last.who == ended.who != "controller"
    assert read(store.folder)[0][-1]["reasons"] == [f"{ended.name}: abort: complaints"] and promoted == []


def test_a_user_promotes_whatever_the_evidence_says(control, store, promoted):
    at_canary(control)
    asked(control, "promote", "the old one is on fire")
    assert store.route() == Route(champion=2) and promoted == ["the old one is on fire"]
    (line,) = [line for line in read(store.folder)[0] if line["event"] == "release"]
    assert line["forced_because"] == "the old one is on fire" and line["evidence"]["rollout"]["passes"] is False


def test_a_promotion_whose_champion_cannot_be_written_is_served_and_says_so(control, store, promoted, monkeypatch, capsys):
    def fails(version, why, made_in):
        raise ValueError("version 2 is being served, but is not the champion yet; `make promote` makes it so")

    monkeypatch.setattr(tried, "make_champion", fails)
    begin(control, 2)
    asked(control, "promote", "so")
    ended = read_rollout(control.root)
    assert store.route() == Route(champion=2) and ended.outcome == "promoted"
    assert ended.why == "so; version 2 is being served, but is not the champion yet; `make promote` makes it so"


def test_without_a_server_a_promotion_waits_and_may_be_aborted(control, store):
    begin(control, 2)
    with pytest.raises(ValueError, match="no server answers at"):
        asked(control, "promote", "so")
    with pytest.raises(ValueError, match="no server answers at"):
        look_once(control)
    asked(control, "abort", "enough")
    assert read_rollout(control.root).outcome == "aborted" and store.route() == Route(champion=1)
    assert actions(control) == ["begin", "promote", "abort"] and look_once(control) == []


def test_one_rollout_at_a_time_and_each_has_its_own_users(control, store):
    first = begin(control, 2)
    with pytest.raises(ValueError, match="a rollout of release 2 is under way .*; make rollout SET=abort"):
        begin(control, 3)
    asked(control, "abort", "so")
    second = begin(control, 3)
    assert second.salt != first.salt and [one.name for one in read_rollouts(control.root)] == [first.name, second.name]


@pytest.mark.parametrize(
    ("challenger", "said"),
    [
        (1, "release 1 is the champion; a challenger is another release"),
        (9, r"models has no version 9; it has \[1, 2, 3, 4\]"),
        (4, "release 4 cannot answer requests made for release 1: it takes no categorical column 'site'"),
    ],
)
def test_what_cannot_be_tried_is_refused_and_leaves_nothing(control, store, challenger, said):
    add_release(store, 4, columns=({"name": "user"},))
    with pytest.raises(ValueError, match=said):
        begin(control, challenger)
    assert read_rollouts(control.root) == [] and store.route() == Route(champion=1)


def test_a_route_made_by_hand_stands_in_the_way(control, store):
    set_route(store, change_of(["canary", "3", "5"]), control.routing, 60, "")
    with pytest.raises(ValueError, match="no rollout was begun: the route has release 3 beside 1"):
        begin(control, 2)


def test_the_gate_is_asked_first(project, store):
    control = control_in(project, gate=True)
    with pytest.raises(ValueError, match=r"releases.jsonl does not say that the gate let release 2 pass; .*rollout\.gate=false"):
        begin(control, 2)
    stored(store, 2, passes=False)
    with pytest.raises(ValueError, match="the gate let release 2 pass"):
        begin(control, 2)
    stored(store, 2, passes=False, forced_because="we know better")
    asked_for = begin(control, 2)
    asked(control, "abort", "so")
    stored(store, 3)
    assert begin(control, 3).name != asked_for.name


def test_the_champion_is_made_where_the_training_ran(store, project):
    own = store.folder / "ctr"
    for name in ("a", "b"):
        shutil.copytree(own / ("2" if name == "b" else "3"), project / "retraining" / name / EXPORTED / "ctr/1")
    for model in ("ctr_by_name", "ctr_careful"):
        shutil.copytree(store.folder / model / "2", project / "retraining/b" / EXPORTED / model / "1")
    assert tried.folder_of(store, 2, project / "retraining") == project / "retraining/b"
    assert tried.folder_of(store, 3, project / "retraining") is None  # a lacks two of its models
    shutil.copytree(project / "retraining/b" / EXPORTED, project / EXPORTED)
    assert tried.folder_of(store, 2, project / "retraining") is None


def test_deployment_of_another_release_is_refused_during_a_rollout_and_a_pause(control, store, promoted):
    at_canary(control)
    for _ in range(2):
        with effects.running_server(control.server) as server:
            with pytest.raises(ValueError, match="refused, the server serves what it did before: the route has release 2"):
                server.refuse_rollout(3)
            server.refuse_rollout(2)
        if read_rollout(control.root).status == "running":
            asked(control, "pause", "")


@pytest.mark.parametrize("words", ["off", "share 10", "canary 2 7", "shadow 2"])
def test_a_route_that_somebody_else_changes_ends_the_rollout_and_stays(control, store, words):
    at_canary(control)
    set_route(store, change_of(words.split()), control.routing, 600, "by hand")
    made = store.route()
    look_once(control)
    ended = read_rollout(control.root)
    assert (ended.outcome, store.route()) == ("aborted", made)
    assert "has changed the route: by hand (champion 1, " in ended.why and look_once(control) == []


def test_a_renewal_by_hand_is_none_of_that(control, store):
    at_canary(control)
    set_route(store, change_of(["renew"]), control.routing, 600, "")
    assert look_once(control) == [] and read_rollout(control.root).status == "running"


def test_a_broken_route_is_said_and_nothing_is_changed(control, store):
    at_canary(control)
    (store.folder / "route").write_text("format 1\n")
    with pytest.raises(ValueError, match="models/route: .*; `make route SET=off` writes it anew"):
        look_once(control)
    assert read_rollout(control.root).status == "running" and (store.folder / "route").read_text() == "format 1\n"


def test_two_controllers_cannot_run_and_a_user_waits_for_a_look(control):
    taken = pytest.raises(ValueError, match="another controller looks after .*rollouts/")
    with only_controller(control.root), taken, only_controller(control.root):
        pass
    begin(control, 2)
    with changing(control.root):
        busy = pytest.raises(ValueError, match="another process has been changing .* for 0 s")
        with busy, changing(control.root, wait_s=0.1):
            pass
        waiting = threading.Thread(target=asked, args=(control, "pause", ""))
        waiting.start()
        waiting.join(0.3)
        assert waiting.is_alive() and read_rollout(control.root).status == "running"
    waiting.join(10)
    assert read_rollout(control.root).status == "paused"


def test_what_a_user_asks_while_evidence_is_gathered_is_not_overruled(control, store):
    at_canary(control)

    def aborted_meanwhile(control, rollout):
        asked(control, "abort", "meanwhile")
        return LookEvidence(judgements=(judged("back"),))

    look_once(replace(control, observe=aborted_meanwhile))
    assert actions(control)[-1] == "abort" and read_rollout(control.root).outcome == "aborted"


def test_prune_and_another_release_are_refused_also_while_it_is_paused(control, store):
    at_canary(control)
    for _ in range(2):
        with pytest.raises(ValueError, match="nothing was removed: the route has release 2 beside 1"):
            store.prune(1)
        with pytest.raises(ValueError, match="version 3 cannot be served now: the route has release 2"):
            store.activate(3)
        if read_rollout(control.root).status == "running":
            asked(control, "pause", "")


def test_a_rollout_is_judged_by_the_rules_that_it_began_with(control, project, store):
    begin(control, 2)
    later = control_in(project, longest_days=1.0, valid_s=7200)
    at_day(1.5)
    before = store.route().trial.valid_until_ms
    look_once(later)
    assert (
        read_rollout(control.root).status == "running"
        and read_state(control.folder(read_rollout(control.root))).config.longest_days == 56
    )
    assert store.route().trial.valid_until_ms > before + 7_000_000


def test_a_fuse_that_blew_while_it_was_paused_sends_it_back(control, store):
    at_canary(control)
    blown = store.route()
    asked(control, "pause", "")
    blow_fuse(store.folder, blown, "errors", {})
    asked(control, "resume", "")
    look_once(control)
    assert read_rollout(control.root).why == "the fuse blew: errors" and store.route() == Route(champion=1)


def test_words_and_settings():
    asked_for, settings = words_and_settings(["begin", "13", "rollout.folder=tried", "rollout.steps=[]", "feedback.folder=f"])
    assert asked_for == ("begin", "13")
    assert settings.values == {"rollout": {"folder": "tried", "steps": []}, "feedback": {"folder": "f"}}
    for word in ("folder=x", "train.lr=1", "rollout.=3"):
        with pytest.raises(ValueError, match=f"expected section.key=value with a section of rollout, .*, got '{word}'"):
            words_and_settings([word])
    with pytest.raises(ValueError, match=r"the value of 'rollout.margin=\[' is not YAML"):
        words_and_settings(["rollout.margin=["])
