"""A user's labels, events and labelled rows go with the rows of the journal, and nobody else's."""

import polars as pl
import pytest
from pydantic import TypeAdapter

from contracts.dataset.declaration import Declaration
from lifecycle.erase import feedback
from lifecycle.erase.found import find
from lifecycle.erase.parquet import files_of
from lifecycle.erase.wanted import wanted_of
from lifecycle.feedback.labels import label_files
from lifecycle.feedback.store import StoreTaken
from tests.lifecycle.feedback.feedback_world import DAY, START, FeedbackWorld, click, complete, shown

USER, OTHER = "user 7", "user 77"


@pytest.fixture
def world(tmp_path, monkeypatch):
    """Final labels and open rows of two users, and rows to train on."""
    world = FeedbackWorld(tmp_path, monkeypatch)
    users = [USER, OTHER, USER, OTHER, OTHER]
    rows = [{"id": f"answer-{i}", "site": user, "key": user} for i, user in enumerate(users)]
    world.answer(*rows, {"id": "answer-later", "site": USER, "key": "k", "at": START + 20 * DAY})
    events = [shown(f"answer-{i}") for i in range(5)] + [click("answer-0"), click("answer-1"), shown("answer-later")]
    world.send(*events, complete(START + 5 * DAY))
    world.run(labelled=True)
    (tmp_path / "feedback/rejected").mkdir()
    (tmp_path / "feedback/rejected/month.csv").write_text(f"place,column,rule,value\n3,site,max_length,{USER}\n")
    return world


def wanted(world, in_caller_keys=False):
    return wanted_of(world.around.declaration, USER, in_caller_keys, None)


def rows(world):
    return pl.concat([pl.read_parquet(path) for path in (world.folder / "served_labels").rglob("impressions.parquet")])


def test_a_user_is_found_in_labels_store_and_labelled_rows_and_nothing_is_changed(world):
    before = {path: path.read_bytes() for path in label_files(world.folder / "feedback")}
    held = feedback.look(files_of(world.journal), world.config, wanted(world))
    assert held.counts() == {"labels": 2, "feedback_events": 3, "labelled_rows": 2, "rejected_files": 1}
    assert before == {path: path.read_bytes() for path in before}


def test_what_is_erased_is_in_no_file_any_more(world):
    feedback.erase(world.config, feedback.look(files_of(world.journal), world.config, wanted(world)), wanted(world))
    assert world.labels() == {("answer-1", 0): 1, ("answer-3", 0): 0, ("answer-4", 0): 0}
    assert set(rows(world)["site"]) == {OTHER} and len(rows(world)) == 3
    assert not (world.folder / "feedback/rejected/month.csv").exists()
    content = b"".join(path.read_bytes() for path in (world.folder / "feedback").glob("feedback.duckdb*"))
    assert b"answer-0" not in content and b"answer-later" not in content and b"answer-1" in content
    again = feedback.look(files_of(world.journal), world.config, wanted(world))
    assert set(again.counts().values()) == {0}
    assert world.run().open_rows == 0  # the store is a whole one


def test_rows_whose_caller_key_is_the_user_go_if_that_is_asked(world):
    with world.store() as store:
        store.db.execute("UPDATE facts SET key = ? WHERE prediction_id = 'answer-4'", [USER])
    held = feedback.look(files_of(world.journal), world.config, wanted(world, in_caller_keys=True))
    assert held.stored == 4


def test_it_does_not_run_beside_the_endpoint(world):
    with world.store(), pytest.raises(StoreTaken, match="writes to .*feedback; stop it"):
        feedback.look(files_of(world.journal), world.config, wanted(world))


def test_broken_off_it_goes_on_with_what_is_left(world, monkeypatch):
    held = feedback.look(files_of(world.journal), world.config, wanted(world))
    monkeypatch.setattr(feedback, "_in_store", lambda *args, **kwargs: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        feedback.erase(world.config, held, wanted(world))
    monkeypatch.undo()
    left = feedback.look(files_of(world.journal), world.config, wanted(world))
    assert (left.counts()["labels"], left.counts()["feedback_events"]) == (0, 3)
    feedback.erase(world.config, left, wanted(world))
    assert set(feedback.look(files_of(world.journal), world.config, wanted(world)).counts().values()) == {0}


def test_broken_off_before_the_new_store_is_there_the_user_is_found_again(world, monkeypatch):
    held = feedback.look(files_of(world.journal), world.config, wanted(world))
    monkeypatch.setattr(feedback, "_copy", lambda *args, **kwargs: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        feedback.erase(world.config, held, wanted(world))
    monkeypatch.undo()
    left = feedback.look(files_of(world.journal), world.config, wanted(world))
    assert left.stored == held.stored == 3
    feedback.erase(world.config, left, wanted(world))
    content = b"".join(path.read_bytes() for path in (world.folder / "feedback").glob("*feedback.duckdb*"))
    assert b"answer-0" not in content and b"answer-later" not in content and b"answer-1" in content


def test_labels_go_where_the_store_is_lost_and_so_does_what_a_killed_writer_left(world):
    (world.folder / "feedback/feedback.duckdb").unlink()
    left = world.folder / "served_labels/2027-01/.impressions.parquet.1.partial"
    left.write_text(USER)
    held = feedback.look(files_of(world.journal), world.config, wanted(world))
    feedback.erase(world.config, held, wanted(world))
    assert world.labels() == {("answer-1", 0): 1, ("answer-3", 0): 0, ("answer-4", 0): 0} and not left.exists()


def test_labelled_rows_that_the_pipeline_reads_are_erased_and_not_named_as_somebody_elses(world):
    source = world.data["source"] | {"kind": "served", "served": str(world.folder / "served_labels")}
    declaration = TypeAdapter(Declaration).validate_python(world.data | {"source": source})
    found = find(world.journal, declaration, wanted(world), world.folder, print, world.config)
    assert found.of_feedback.counts()["labelled_rows"] == 2 and found.others == {}


def test_where_there_is_no_feedback_there_is_nothing(tmp_path, monkeypatch):
    world = FeedbackWorld(tmp_path, monkeypatch)
    world.answer({"id": "a", "site": USER})
    held = feedback.look(files_of(world.journal), world.config, wanted(world))
    feedback.erase(world.config, held, wanted(world))
    assert set(held.counts().values()) == {0} and not (tmp_path / "feedback").exists()
