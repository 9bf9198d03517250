"""Files of every kind, and which answers their rows are about."""

import gzip
import json

import polars as pl
import pytest

from tests.lifecycle.feedback.feedback_world import DAY, HOUR, START, FeedbackWorld

MONTH = "id,t,site,age,ad,y\n"


def month(*rows):
    """Lines of the data set's own file: id, seconds after the start, label."""
    lines = [f"{key},2027-01-15T08:00:{second:02d},site 1,30,ad 1,{label}\n" for key, second, label in rows]
    return MONTH + "".join(lines)


def test_the_next_month_of_the_data_set_says_what_was_shown_and_clicked(world):
    world.answer({"id": "a", "key": "7"}, {"id": "b", "key": "8"}, {"id": "c", "key": "9"}, {"id": "d", "key": "10"})
    state = world.run(world.file("next.csv", month((7, 1, 1), (8, 2, 0), (9, 30, 0))), complete="2027-01")
    assert (state.received, state.matched, state.watermark_ns) == (3, 3, 1_801_440_000 * 10**9)
    assert world.labels() == {("a", 0): 1, ("b", 0): 0, ("c", 0): 0}  # d is not in the file: it was not shown
    assert {line.split(": ")[1] for line in world.said if "next.csv" in line} == {"3 rows of a month taken in"}


def test_a_month_is_complete_until_its_last_row_unless_somebody_says_until_when(world):
    world.answer({"id": "a", "key": "7"})
    assert world.run(world.file("next.csv", month((7, 1, 1), (8, 59, 0)))).watermark_ns == START + 59 * 10**9
    assert world.labels() == {}
    clicks = world.file("clicks.csv", f"key,clicked_at\n7,2027-01-16\n{''.join('99,2027-02-10' for _ in range(1))}\n")
    assert world.run(clicks).watermark_ns == START + 59 * 10**9  # other files say nothing of what is missing
    assert world.run(complete="2027-01-20T00:00").watermark_ns == 1_800_403_200 * 10**9
    assert world.labels() == {("a", 0): 1}


@pytest.mark.parametrize(
    ("text", "expected"),
    [("2027-13", "must be a month"), ("soon", "must be a month"), ("2027-03-20", "COMPLETE lies in the future")],
)
def test_a_time_that_is_none_or_has_not_come_is_refused(world, text, expected):
    with pytest.raises(ValueError, match=expected):
        world.run(complete=text)


def test_rows_that_break_the_contract_are_rejected_with_their_reason(world):
    world.answer({"id": "a", "key": "7"})
    bad = "8,2027-01-15T08:00:01,site 1,30,ad 1,maybe\n7,2027-01-15T08:00:01,site 1,30,ad 1,0\n"
    state = world.run(world.file("next.csv", month((7, 1, 1)) + bad))
    assert (state.received, state.matched, state.rejected) == (3, 1, 2)
    rejected = pl.read_csv(world.folder / "feedback/rejected/next.csv.csv")
    assert rejected.select("place", "column", "rule").rows() == [(2, "y", "label"), (3, "id", "unique")]


def test_a_file_of_which_too_much_is_rejected_is_refused_and_moves_no_watermark(world):
    world.answer({"id": "a", "key": "7"})
    bad = "".join(f"{key},2027-01-15T09:00:00,site 1,30,ad 1,?\n" for key in range(100, 125))
    with pytest.raises(ValueError, match=r"25 of 26 rows are rejected, more than .* row 2: y label, got '\?'"):
        world.run(world.file("next.csv", month((7, 1, 1)) + bad))
    world.run()
    assert world.state().received == 0 and world.state().watermark_ns is None


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("half.csv", "id,t,site,ad,y\n1,2027-01-15,s,a,1\n", "lacks the declared column 'age'"),
        ("empty.csv", "", "is empty"),
        ("two.csv", "key,at,at_ms\nk,2027-01-15,5\n", "expected one time of each event"),
        ("more.csv", "kind,prediction_id,what\nclick,a,1\n", "has the column 'what', which no table of events has"),
        ("rows.parquet", "no parquet", "not a readable Parquet file"),
        ("bytes.jsonl", "\udcff", "expected JSON lines in UTF-8"),
    ],
)
def test_files_that_are_no_feedback_are_refused_by_name(world, name, content, expected):
    (world.folder / name).write_bytes(content.encode("utf-8", "surrogateescape"))
    with pytest.raises(ValueError, match=expected) as caught:
        world.run(world.folder / name)
    assert name in str(caught.value) and world.state().received == 0


@pytest.mark.parametrize(
    ("name", "rows", "matched"),
    [
        ("clicks.csv", [{"prediction_id": "a", "row": 1, "clicked_at": "2027-01-15T09:00:00Z"}], {"c": 1, "s": False}),
        ("clicks.tsv", "prediction_id\trow\na\t1\n", {"c": 1, "s": False}),
        ("clicks.parquet", [{"key": "k1", "clicked_at": "2027-01-15 10:00"}], {"c": 1, "s": False}),
        ("shown.csv", [{"prediction_id": "a", "row": 1, "shown_at": "2027-01-15T08:00:00+00:00"}], {"c": None, "s": True}),
        ("labels.csv", [{"key": "k1", "clicked": 0, "at_ms": START // 10**6}], {"c": 0, "s": True}),
        ("events.csv", "kind,prediction_id,row,key,at,clicked\nshown,,,k1,2027-01-15T08:00,\n", {"c": None, "s": True}),
        ("events.jsonl", json.dumps({"kind": "click", "prediction_id": "a", "row": 1, "key": "k1"}), {"c": 1, "s": False}),
    ],
)
def test_a_files_columns_say_what_kind_it_is(world, name, rows, matched):
    world.answer({"id": "a", "row": 0, "key": "k0"}, {"id": "a", "row": 1, "key": "k1"})
    assert world.run(world.file(name, rows)).matched == 1
    with world.store() as store:
        found = store.db.execute("SELECT prediction_id, row_no, clicked, is_shown FROM facts").fetchall()
    assert found == [("a", 1, matched["c"], matched["s"])]


def test_a_folder_and_packed_files_are_read_in_order_of_their_names(world):
    world.answer({"id": "a"}, {"id": "b"})
    folder = world.folder / "in"
    folder.mkdir()
    (folder / "2.csv.gz").write_bytes(gzip.compress(b"prediction_id,row\na,0\n"))
    (folder / "1.csv").write_text("prediction_id,row,shown_at\na,0,2027-01-15T08:00\nb,0,2027-01-15T08:00\n")
    (folder / "note.pdf").write_text("no feedback")
    state = world.run(folder)
    assert (state.received, state.matched, state.open_rows) == (3, 3, 2)
    with pytest.raises(ValueError, match="holds no file of feedback"):
        world.run((folder / "sub").mkdir() or folder / "sub")


def test_the_same_file_again_is_duplicates_and_a_later_one_as_of_a_time_corrects_it(world):
    world.answer({"id": "a", "key": "7"}, {"id": "b", "key": "8"})
    first, second = world.file("one.csv", month((7, 1, 0), (8, 1, 1))), world.file("two.csv", month((7, 1, 1), (8, 1, 1)))
    world.run(first)
    assert world.run(first).duplicate == 2
    assert world.run(second).contradicting == 1  # the same time: nobody can tell which was meant
    state = world.run(second, as_of="2027-01-20")
    assert (state.corrected, state.duplicate) == (1, 4)
    assert world.run(first, source="somebody else", as_of="2027-01-25").contradicting == 2
    world.run(complete="2027-01-30")
    assert world.labels() == {("a", 0): 1, ("b", 0): 1}


def test_a_key_that_comes_again_means_the_last_answer_before_the_event(world):
    world.answer({"id": "a", "key": "u"}, name="1")
    world.answer({"id": "b", "key": "u", "at": START + 2 * HOUR}, name="2")
    world.answer({"id": "c", "key": "u", "at": START + 4 * HOUR}, name="3")
    world.answer({"id": "d", "key": "v", "at": START + 4 * HOUR}, name="4")
    clicks = "key,clicked_at\nu,2027-01-15T11:59:59\nv,2027-01-15T08:00:00\n"
    world.run(world.file("clicks.csv", clicks))
    with world.store() as store:
        found = store.db.execute("SELECT prediction_id FROM facts ORDER BY 1").fetchall()
    assert found == [("b",), ("d",)]  # of v all answers are later: a clock that is ahead


def test_of_answers_to_a_request_that_was_sent_again_the_last_has_the_label(world):
    event = {"request_id": "q", "event_at": START, "key": "u"}
    world.answer({"id": "a", **event}, {"id": "b", "at": START + 10**9, **event}, {"id": "other", "request_id": "q"})
    world.run(world.file("shown.csv", "prediction_id,row,shown_at\na,0,2027-01-15T08:00:05\n"))
    world.run(world.file("clicks.csv", "key\nu\n"))
    world.run(complete="2027-01-30")
    assert world.labels() == {("b", 0): 1}


def test_a_label_without_a_row_of_an_answer_with_several_is_rejected(world):
    world.answer({"id": "a", "row": 0}, {"id": "a", "row": 1}, {"id": "b", "row": 0})
    state = world.run(world.file("clicks.csv", "prediction_id\na\nb\n"))
    assert (state.matched, state.rejected) == (1, 1)


def test_keys_are_hashed_as_the_journal_has_them_and_refused_where_it_has_none(world, tmp_path):
    (tmp_path / ".secrets").mkdir(mode=0o700)
    (tmp_path / ".secrets/journal-key").write_text("secret\n")
    (tmp_path / ".secrets/journal-key").chmod(0o600)
    world.hide(caller_key="keyed_hash")
    from lifecycle.feedback.intake.hiding import hider

    hidden = hider(world.around.journal)("u")
    assert hidden is not None and len(hidden) == 32 and hidden != "u"
    world.answer({"id": "a", "key": hidden})
    clicks = world.file("clicks.csv", "key\nu\n")
    assert world.run(clicks).matched == 1
    assert b"\nu\n" not in (world.folder / "feedback/feedback.duckdb").read_bytes()
    world.hide(caller_key="drop")
    with pytest.raises(ValueError, match="the journal keeps no keys of callers"):
        world.run(clicks)


def test_a_data_set_without_a_key_is_told_to_name_prediction_ids(tmp_path, monkeypatch):
    world = FeedbackWorld(tmp_path, monkeypatch)
    from dataclasses import replace

    columns = tuple(
        replace(column, role="info") if column.role == "key" else column for column in world.around.declaration.columns
    )
    world.around = replace(world.around, declaration=replace(world.around.declaration, columns=columns))
    with pytest.raises(ValueError, match="no column with role key"):
        world.run(world.file("next.csv", month((7, 1, 1))))


def test_times_in_the_future_or_in_another_unit_are_rejected(world):
    ahead = (world.now_ns + DAY) // 10**6
    rows = f"kind,prediction_id,at_ms\nclick,a,{ahead}\nclick,a,{START // 10**9}\nheartbeat,,{ahead}\n" + "click,a,\n" * 3
    state = world.run(world.file("events.csv", rows))
    assert (state.received, state.rejected, state.waiting, state.watermark_ns) == (6, 3, 3, None)
