"""Rows with final labels as months that the pipeline reads."""

import hashlib
import json
from dataclasses import replace

import polars as pl
from pydantic import TypeAdapter

from contracts.dataset.declaration import Declaration
from lifecycle.feedback.answered import answered_files
from tests.lifecycle.feedback.feedback_world import COLUMNS, DAY, HOUR, START, click, complete, shown

PNG, JPEG = b"\x89PNG\r\n\x1a\n and more", b"\xff\xd8\xff and more"
MATURE = START + 25 * DAY
FEBRUARY = START + 20 * DAY


def an_image(world, content):
    digest = hashlib.sha256(content).hexdigest()
    path = world.journal / "images" / digest[:2] / digest
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return digest


def prepared(world):
    event = {"event_at": START + HOUR}
    world.answer(
        {"id": "a", "key": "7", "site": "s 1", "age": None, "ad": "x", "image_sha256": an_image(world, PNG), **event},
        {"id": "a", "row": 1, "key": "8", "site": "s 2", "ad": "y", "image_sha256": an_image(world, JPEG), **event},
        {"id": "a", "row": 2, "key": "9", "site": "s 3", "ad": "z", "image_sha256": "0" * 64, **event},
        {"id": "b", "key": "10", "ad": "../x", "at": START + 5},
        {"id": "hidden from all"},
    )
    world.answer({"id": "c", "key": "no number", "at": FEBRUARY, "ad": "x"}, name="2")
    world.send(*(shown("a", row) for row in range(3)), shown("b"), shown("c", at=FEBRUARY), click("a", 1), complete(MATURE))


def month(world, name):
    return pl.read_parquet(world.folder / "served_labels" / name / "impressions.parquet")


def test_shown_and_final_rows_are_months_with_the_declared_columns_and_their_images(world):
    prepared(world)
    world.run(labelled=True)
    january = month(world, "2027-01")
    assert january.columns == ["id", "t", "site", "age", "ad", "y"]
    assert [str(dtype) for dtype in january.dtypes] == [
        "Int64", "Datetime(time_unit='us', time_zone='UTC')", "String", "Float64", "String", "Int8",
    ]  # fmt: skip
    assert january.drop("t").rows() == [
        (10, "site 1", 30.0, "../x", 0), (7, "s 1", None, "x", 0), (8, "s 2", 30.0, "y", 1), (9, "s 3", 30.0, "z", 0),
    ]  # fmt: skip
    assert january["t"].dt.epoch("us").to_list() == [START // 1000, *[(START + HOUR) // 1000] * 3]
    assert month(world, "2027-02").drop("t").rows() == [(None, "site 1", 30.0, "x", 0)]
    folder = world.folder / "served_labels"
    files = {path.relative_to(folder).as_posix() for path in folder.rglob("*.*g")}
    assert files == {"2027-01/creatives/x.png", "2027-01/creatives/y.jpg"}
    said = "\n".join(world.said)
    assert "4 rows, 2 images; 1 creatives have none in the journal" in said and "1 have an id that is no file's name" in said
    assert "1 rows came without an event time" in said and "column id is empty in 1 rows: no key that the column can hold" in said


def test_the_same_rows_give_the_same_bytes_each_row_once(world):
    prepared(world)
    world.run(labelled=True)
    paths = sorted((world.folder / "served_labels").rglob("*.parquet"))
    before = [path.read_bytes() for path in paths]
    world.send(shown("a"), click("a", 1))
    world.run(labelled=True)
    assert [path.read_bytes() for path in paths] == before
    world.send(click("a", 0))
    world.run(labelled=True, reopen=True)
    assert sum(month(world, "2027-01")["y"]) == 2 and len(month(world, "2027-01")) == 4


def test_a_month_of_which_the_journal_has_lost_rows_stays_as_it_was(world):
    prepared(world)
    world.run(labelled=True)
    before = month(world, "2027-01")
    answered_files(world.journal)[0].path.unlink()
    world.run(labelled=True)
    assert month(world, "2027-01").equals(before)
    assert any("4 labelled rows are not in the journal any more" in line for line in world.said)


def test_hidden_columns_are_empty_and_told(world):
    prepared(world)
    (world.journal / "done").mkdir()
    about = {"columns": {"site": "keyed_hash"}, "caller_key": "as_is"}
    (world.journal / "done/a.segment.json").write_text(json.dumps({"about": about}))
    world.run(labelled=True)
    assert month(world, "2027-01")["site"].null_count() == 4 and month(world, "2027-02")["site"].null_count() == 0
    assert any("column site is empty in 4 rows: no request says it, or it was hidden" in line for line in world.said)


def test_without_final_labels_there_is_nothing_to_write(world):
    world.answer({"id": "a"})
    world.run(labelled=True)
    assert "no label is final yet, so there are no rows to train on" in world.said
    assert not (world.folder / "served_labels").exists()


def test_what_the_model_computes_is_in_no_month_and_what_was_counted_is_as_it_was_sent(world):
    cross = {"name": "both", "role": "categorical", "dtype": "string", "cross": ["site", "ad"]}
    clicks = {"name": "age", "role": "numeric", "dtype": "int", "so_far": {"count": "clicks", "per": "site"}}
    columns = [cross, *(clicks if column["name"] == "age" else column for column in COLUMNS)]
    data = world.data | {"columns": columns}
    world.around = replace(world.around, declaration=TypeAdapter(Declaration).validate_python(data))
    prepared(world)
    world.run(labelled=True)
    january = month(world, "2027-01")
    assert january.columns == ["id", "t", "site", "age", "ad", "y"]
    assert january["age"].to_list() == [30, None, 30, 30] and january["age"].dtype == pl.Int64
