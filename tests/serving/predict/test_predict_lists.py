"""Files with cells of several values, read as the served model publishes its columns and as they are declared."""

import polars as pl
import pytest
from pydantic import TypeAdapter

from contracts.dataset.declaration import Declaration
from contracts.dataset.source import SourceError
from contracts.serving.request import request_of
from serving.predict.input import declared_rows, published_rows
from tests.stages.listed_world import LISTED, as_texts, listed_rows

DECLARATION = TypeAdapter(Declaration).validate_python(LISTED)
REQUEST = request_of(DECLARATION)
ROWS = listed_rows(2, 50)
SLOTS = [f"tags[{i}]" for i in range(3)] + [f"last[{i}]" for i in range(4)]


def expected() -> list[tuple]:
    found = []
    for tags, last in ROWS.select("tags", "last").iter_rows():
        newest = last[-4:][::-1]
        found.append((*(sorted(tags) + [None] * 3)[:3], *(newest + [None] * 4)[:4]))
    return found


@pytest.mark.parametrize("kind", ["csv", "parquet", "jsonl"])
def test_every_kind_of_file_gives_the_same_slots(tmp_path, kind):
    path = tmp_path / f"rows.{kind}"
    if kind == "csv":
        as_texts(ROWS).write_csv(path)
    elif kind == "parquet":
        ROWS.write_parquet(path)
    else:
        ROWS.write_ndjson(path)
    for read in (published_rows(path, REQUEST), declared_rows(path, DECLARATION, {}, REQUEST)):
        parts = [read.contract.check(chunk) for chunk in read.chunks]
        assert sum(len(bad) for _, bad in parts) == 0
        assert pl.concat([good for good, _ in parts]).select(SLOTS).rows() == expected()


def test_a_file_of_slots_is_taken_too_and_one_without_them_is_refused(tmp_path):
    path = tmp_path / "rows.csv"
    slots = pl.DataFrame(expected(), schema=SLOTS, orient="row")
    ROWS.drop("tags", "last").hstack(slots).write_csv(path)
    read = published_rows(path, REQUEST)
    assert pl.concat([read.contract.check(chunk)[0] for chunk in read.chunks]).select(SLOTS).rows() == expected()
    ROWS.drop("tags", "last").write_csv(path)
    with pytest.raises(SourceError, match=r"'last\[3\]' \(or 'last', a list\)"):
        published_rows(path, REQUEST)
