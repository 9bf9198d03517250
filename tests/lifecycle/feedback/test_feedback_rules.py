"""What becomes of an event: each is in one class, whatever comes in which order."""

import dataclasses
import itertools
from collections import Counter

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lifecycle.feedback.labels import read_state
from lifecycle.feedback.rules import CLASSES, FeedbackEvent, RowFacts, judge_all
from tests.lifecycle.feedback.feedback_world import DAY, HOUR, START, FeedbackWorld, click, complete, said, shown

END = 1000
EVENTS = st.lists(
    st.builds(
        lambda kind, at, clicked, source: FeedbackEvent(
            kind=kind, at_ns=at, clicked={"shown": None, "click": 1, "label": clicked}[kind], source=source
        ),
        kind=st.sampled_from(["shown", "click", "label"]),
        at=st.one_of(st.none(), st.integers(1, 1500)),
        clicked=st.integers(0, 1),
        source=st.sampled_from(["a", "b"]),
    ),
    max_size=6,
)


def classes(*events, facts=None):
    found, judged = judge_all(facts or RowFacts(), events, END)
    return found, [one.of_class for one in judged]


def event(kind, at=1, clicked=None, source="a"):
    return FeedbackEvent(kind=kind, at_ns=at, clicked={"shown": None, "click": 1, "label": clicked}[kind], source=source)


@pytest.mark.parametrize(
    ("events", "expected", "clicked", "is_shown"),
    [
        ([event("shown"), event("shown")], ["matched", "duplicate"], None, True),
        ([event("click")], ["matched"], 1, False),
        ([event("click"), event("shown"), event("click", 2)], ["matched", "matched", "duplicate"], 1, True),
        ([event("label", 1, 0), event("click", 2)], ["matched", "corrected"], 1, True),
        ([event("click", 2), event("label", 1, 0)], ["matched", "corrected"], 1, True),
        ([event("label", 1, 0), event("click", 2, source="b")], ["matched", "contradicting"], 0, True),
        ([event("label", 1, 0), event("label", 1, 1)], ["matched", "contradicting"], 0, True),
        ([event("label", None, 0), event("click", 2)], ["matched", "contradicting"], 0, True),
        ([event("label", 1, 0), event("label", 5, 0), event("label", 3, 1)], ["matched", "duplicate", "corrected"], 0, True),
        ([event("click", END)], ["matched"], 1, False),
        ([event("click", END + 1)], ["corrected"], None, False),
        ([event("click", END + 1), event("click", END + 2)], ["corrected", "duplicate"], None, False),
    ],
)
def test_the_rules_one_by_one(events, expected, clicked, is_shown):
    facts, found = classes(*events)
    assert found == expected
    assert (None if facts.said is None else facts.said.clicked, facts.is_shown) == (clicked, is_shown)


def test_what_comes_after_a_final_label_waits_to_be_reopened():
    final = RowFacts(is_shown=True, is_final=True)
    facts, found = classes(event("click"), event("click"), event("label", 9, 0), facts=final)
    assert found == ["corrected", "duplicate", "corrected"] and facts.late is None and facts.said is None
    facts, found = classes(event("label", 5, 0), event("click", 9), facts=final)
    assert found == ["matched", "corrected"] and facts.late.clicked == 1 and facts.said.clicked == 0


@given(EVENTS, st.booleans())
def test_every_event_is_in_one_class_and_a_final_label_stays(events, is_final):
    facts, judged = judge_all(RowFacts(is_shown=is_final, is_final=is_final), events, END)
    assert len(judged) == len(events) and {one.of_class for one in judged} <= {*CLASSES}
    assert all(one.of_class == "corrected" for one in judged if one.is_late)
    if is_final:
        assert facts.said is None or facts.said.clicked == 0


@given(st.permutations(range(4)), st.lists(st.integers(0, 1), min_size=3, max_size=3))
def test_what_one_source_says_at_different_times_gives_one_label_in_any_order(order, labels):
    events = [event("shown"), *(event("label", 10 + at, label) for at, label in enumerate(labels))]
    facts, found = classes(*(events[place] for place in order))
    assert facts.said.clicked == labels[-1] and facts.is_shown and "contradicting" not in found


def a_stream(draw):
    """Events about a few rows, some of which the journal never has, each sent one to three times."""
    events = draw(
        st.lists(
            st.one_of(
                st.builds(shown, st.sampled_from("abx"), st.integers(0, 2)),
                st.builds(click, st.sampled_from("abx"), st.integers(0, 2), st.integers(START, START + 4 * DAY)),
                st.builds(
                    said, st.sampled_from("abx"), st.integers(0, 1), st.integers(0, 2), st.integers(START, START + 4 * DAY)
                ),
                st.builds(dict, kind=st.just("click"), key=st.sampled_from(["k1", "k2", "k3"])),
                st.builds(dict, kind=st.sampled_from(["click", "what"]), row=st.just(1)),
                st.builds(complete, st.integers(START, START + 9 * DAY)),
            ),
            max_size=25,
        )
    )
    return draw(st.permutations(list(itertools.chain(events, events[: draw(st.integers(0, len(events)))]))))


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_classes_add_up_over_random_streams_that_are_broken_off(data, tmp_path_factory):
    """The same stream with the answers in the journal before, in between or after, in batches, some of which come twice."""
    with pytest.MonkeyPatch.context() as patch:
        world = FeedbackWorld(tmp_path_factory.mktemp("world"), patch)
        stream, sent = a_stream(data.draw), Counter()
        rows = [{"id": i, "row": row, "key": f"k{row}"} for i in "ab" for row in range(3)]
        pieces = [stream[start : start + 6] for start in range(0, len(stream), 6)]
        place = data.draw(st.integers(0, len(pieces)))
        for number, piece in enumerate(pieces):
            if number == place:
                world.answer(*rows)
            for _ in range(data.draw(st.integers(1, 2))):
                world.send(*piece, batch=f"batch {number}")
                sent["events"] += sum(one["kind"] != "heartbeat" for one in piece)
            if data.draw(st.booleans()):
                assert world.run().received == sent["events"]  # `run` asserts the sum of the classes
        world.at(START + 90 * DAY)
        state = world.run()
        assert state.received == sent["events"]
        assert state.waiting == 0 or state.expired == 0 or place == len(pieces)
        assert len(world.labels()) <= len(rows) and set(world.labels().values()) <= {0, 1}


def test_batches_that_come_again_are_duplicates_and_other_lines_under_their_id_are_refused(world):
    first = world.send(shown("a"), {"kind": "nonsense"}, batch="one")
    again = world.send(shown("a"), {"kind": "nonsense"}, batch="one")
    assert (first.received, first.waiting, first.rejected) == (2, 1, 1)
    assert (again.received, again.duplicate, again.is_repeated) == (2, 2, True)
    with pytest.raises(ValueError, match="batch one came before with other lines"):
        world.send(shown("b"), batch="one")
    world.run()
    assert dataclasses.replace(world.state(), at_ns=None, first_received_ns=None, oldest_waiting_ns=None, last_event_ns=None) == (
        dataclasses.replace(read_state(world.folder / "none"), received=4, waiting=1, duplicate=2, rejected=1)
    )


def test_an_event_waits_for_its_answer_and_is_given_up_after_a_time(world):
    world.send(shown("a"), shown("never"))
    assert world.run().waiting == 2
    world.answer({"id": "a"})
    state = world.run()
    assert (state.waiting, state.matched, state.oldest_waiting_ns) == (1, 1, START)
    world.at(START + 60 * DAY + HOUR)
    state = world.run()
    assert (state.waiting, state.expired) == (0, 1)
