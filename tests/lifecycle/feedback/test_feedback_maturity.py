"""Which rows get a label, and when it is final."""

import json

import pytest

from lifecycle.feedback import matching
from lifecycle.feedback.intake.lines import read_lines
from lifecycle.feedback.intake.taking import take_in_once
from lifecycle.feedback.labels import read_labels
from lifecycle.feedback.running import work
from tests.lifecycle.feedback.feedback_world import DAY, HOUR, START, FeedbackWorld, click, complete, said, shown

MATURE = START + 5 * DAY


def test_of_128_candidates_one_is_shown_and_the_mean_label_is_that_of_the_shown(world):
    """A click alone makes no row a shown one: else only clicked candidates would come in beside the shown ones."""
    for page in range(20):
        world.answer(*({"id": f"p{page}", "row": row, "at": START + page} for row in range(128)), name=f"s{page}")
    events = [shown(f"p{page}", row=page) for page in range(20)] + [click(f"p{page}", row=page) for page in range(4)]
    stray = [click(f"p{page}", row=100) for page in range(10)]  # of candidates that nobody said were shown
    world.send(*events, complete(MATURE))
    world.run()
    alone = world.labels()
    world.send(*stray, complete(MATURE + 1000 * 10**6))
    state = world.run()
    assert len(alone) == 20 and sum(alone.values()) == 4
    assert world.labels() == alone
    assert state.unshown_clicks == 10 and any("10 rows were clicked" in line for line in world.said)


def test_no_click_is_final_only_when_the_watermark_lies_a_maturity_after_the_answer(world):
    world.answer({"id": "a"}, {"id": "b", "at": START + HOUR}, {"id": "c"})
    world.send(shown("a"), shown("b"), complete(START + 72 * HOUR + 10**6))
    state = world.run()
    assert world.labels() == {("a", 0): 0}  # b is an hour younger; c was not shown
    assert (state.open_rows, state.final_rows) == (1, 1)


def test_a_label_exactly_at_the_watermark_is_not_final(world):
    world.answer({"id": "a"})
    world.send(shown("a"), complete(START + 72 * HOUR))
    world.run()
    assert world.labels() == {}


def test_a_feed_that_stops_holds_everything(world):
    world.answer({"id": "a"}, {"id": "b"})
    world.send(shown("a"), click("a"), shown("b"))
    for day in (10, 40, 59):
        world.at(START + day * DAY)
        assert world.run().watermark_ns is None
    assert world.labels() == {}


def test_clicks_that_come_before_the_others_enter_no_label_yet(world):
    world.answer(*({"id": f"r{i}"} for i in range(50)))
    world.send(*(shown(f"r{i}") for i in range(50)), *(click(f"r{i}") for i in range(5)), complete(START + HOUR * 71))
    world.run()
    assert world.labels() == {}
    world.send(complete(MATURE))
    world.run()
    assert sum(world.labels().values()) == 5 and len(world.labels()) == 50


def test_a_click_after_the_rows_time_is_a_late_correction_whenever_it_comes(world):
    world.answer({"id": "a"}, {"id": "b"})
    world.send(shown("a"), shown("b"), click("a", at=START + 73 * HOUR))
    state = world.run()
    assert (state.corrected, state.late_corrections) == (1, 1)
    world.send(complete(MATURE))
    world.run()
    assert world.labels() == {("a", 0): 0, ("b", 0): 0}


def test_late_corrections_are_counted_and_reopened_by_command(world):
    world.answer({"id": "a"}, {"id": "b"})
    world.send(shown("a"), shown("b"), complete(MATURE))
    world.run()
    world.send(click("a"), click("a"))
    state = world.run()
    assert world.labels() == {("a", 0): 0, ("b", 0): 0}
    assert (state.corrected, state.late_corrections, state.duplicate) == (1, 1, 1)
    assert any("1 corrections came too late" in line for line in world.said)
    state = world.run(reopen=True)
    assert world.labels() == {("a", 0): 1, ("b", 0): 0}
    assert (state.late_corrections, state.reopened, state.final_rows) == (1, 1, 2)
    assert world.run(reopen=True).reopened == 1


def test_a_late_correction_that_is_taken_back_is_not_reopened(world):
    world.answer({"id": "a"})
    world.send(said("a", 0, at=START), complete(MATURE))
    world.run()
    world.send(said("a", 1, at=START + HOUR))
    world.send(said("a", 0, at=START + 2 * HOUR))
    world.run(reopen=True)
    assert world.labels() == {("a", 0): 0}


def test_labels_that_came_first_do_not_move_the_watermark_back(world):
    world.answer({"id": "a"})
    world.send(shown("a"), complete(MATURE))
    world.send(complete(START))
    assert world.run().watermark_ns == MATURE
    assert world.labels() == {("a", 0): 0}


def test_with_all_shown_every_row_gets_a_label_once_the_feed_is_complete(tmp_path, monkeypatch):
    world = FeedbackWorld(tmp_path, monkeypatch, all_shown=True)
    world.answer(*({"id": "a", "row": row} for row in range(6)), {"id": "b", "request_id": "q"})
    world.answer({"id": "c", "request_id": "q", "at": START + 10**9}, name="b")  # b was sent again: its answer was lost
    world.send(click("a", row=2), click("b"))
    world.run()
    assert world.labels() == {}
    world.send(complete(MATURE))
    state = world.run()
    assert world.labels() == {**{("a", row): int(row == 2) for row in range(6)}, ("c", 0): 1}
    assert state.final_rows == 7
    world.send(click("a", row=3), complete(MATURE + HOUR))
    assert world.run().late_corrections == 1
    world.run(reopen=True)
    assert world.labels()["a", 3] == 1 and len(world.labels()) == 7


def test_nothing_is_final_while_the_journal_is_behind(world):
    """A click may be about an answer that is in no Parquet file yet."""
    world.answer({"id": "a"})
    (world.journal / "segments").mkdir(parents=True)
    segment = world.journal / "segments/20270115T070000.000Z-0000000000000000-0.segment"
    segment.write_bytes(b"")
    world.send(shown("a"), complete(MATURE))
    world.run()
    assert world.labels() == {}
    segment.unlink()
    world.run()
    assert world.labels() == {("a", 0): 0}


def test_labels_are_files_a_day_sorted_and_typed(world):
    world.answer({"id": "b", "key": "k"}, {"id": "a", "row": 1}, {"id": "a", "row": 0})
    world.answer({"id": "c", "at": START + DAY + 123}, name="b")
    world.send(*(shown(i, row=r) for i, r in (("b", 0), ("a", 1), ("a", 0), ("c", 0))), click("b"), complete(MATURE))
    world.run()
    files = sorted((world.folder / "feedback/labels").rglob("*.parquet"))
    assert [file.parent.name for file in files] == ["answered_day=2027-01-15", "answered_day=2027-01-16"]
    rows = read_labels(world.folder / "feedback", START, START + DAY).collect()
    assert rows.select("prediction_id", "row", "key", "clicked", "source").rows() == [
        ("a", 0, None, 0, None), ("a", 1, None, 0, None), ("b", 0, "k", 1, "endpoint"),
    ]  # fmt: skip
    late = read_labels(world.folder / "feedback/labels", START + DAY, START + 2 * DAY).collect()
    assert late["answered_at"].dt.epoch("ns").to_list() == [START + DAY + 123]
    assert {str(dtype) for dtype in late.select("answered_at", "shown_at", "final_at").dtypes} == {
        "Datetime(time_unit='ns', time_zone='UTC')"
    }


@pytest.mark.parametrize("day", [0, 1])
def test_labels_of_no_day_have_their_columns_all_the_same(world, day):
    empty = read_labels(world.folder / "feedback", START + day * DAY, START + 2 * DAY).collect()
    assert len(empty) == 0 and empty.columns[:3] == ["prediction_id", "row", "key"] and empty.schema["clicked"].is_integer()


def test_a_click_and_a_heartbeat_that_come_while_events_are_matched_are_for_the_next_look(world, monkeypatch):
    """The endpoint takes in beside: the heartbeat says that the click is there, and it has not been matched yet."""
    world.answer({"id": "a"})
    world.send(shown("a"))
    match = work.match

    def and_then(store, *args):
        match(store, *args)
        monkeypatch.setattr(work, "match", match)
        body = "\n".join(map(json.dumps, (click("a"), complete(MATURE)))).encode()
        take_in_once(store.beside(), read_lines(body, world.now_ns), None, "", world.now_ns)

    monkeypatch.setattr(work, "match", and_then)
    assert world.run().late_corrections == 0 and world.labels() == {}
    assert world.run().late_corrections == 0 and world.labels() == {("a", 0): 1}


def test_a_click_with_a_key_waits_for_answers_that_become_parquet_while_it_is_matched(world, monkeypatch):
    """Else it would go to an earlier answer with that key."""
    world.answer({"id": "a", "key": "u"})
    (world.journal / "segments").mkdir(parents=True)
    segment = world.journal / "segments/20270115T080000.000Z-0000000000000000-0.segment"
    segment.write_bytes(b"")
    files = matching.answered_files

    def and_then(journal):
        found = files(journal)
        if segment.is_file():
            world.answer({"id": "b", "key": "u", "at": START + HOUR // 2}, name="b")
            segment.unlink()
        return found

    monkeypatch.setattr(matching, "answered_files", and_then)
    world.send({"kind": "click", "key": "u", "at_ms": (START + HOUR) // 10**6})
    assert world.run().waiting == 1
    world.run()
    with world.store() as store:
        assert store.db.execute("SELECT prediction_id FROM facts").fetchall() == [("b",)]
