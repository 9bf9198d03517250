"""Rows with several values in a cell lie in the journal as slots, and are replayed to the last bit."""

import polars as pl
import pytest

from tests.lifecycle.replay.replay_world import Answering
from tests.serving.served_world import REPOSITORY, request_spec


@pytest.fixture
def listed(tmp_path, exported_as):
    folder = exported_as("lists")
    journal = Answering(tmp_path, folder / REPOSITORY, request_spec(folder))
    return journal, pl.read_parquet(folder / "data/split/test.parquet", n_rows=120)


def test_slots_are_journalled_replayed_and_made_parquet(listed):
    journal, rows = listed
    for start in range(0, 100, 20):
        journal.answer(rows[start:], 3, 5, 1)
    totals = journal.replay()
    assert (totals.batches, totals.rows, totals.equal, totals.faults) == (5, 45, 45, 0)
    journal.to_parquet(remove=False)
    found = pl.concat([pl.read_parquet(path) for path in sorted(journal.folder.rglob("*.parquet"))], how="diagonal_relaxed")
    names = [name for name in found.columns if name.endswith("]")]
    assert names == ["tags[0]", "tags[1]", "tags[2]", "last[0]", "last[1]", "last[2]", "last[3]"]
    expected = pl.concat([rows[start : start + 9] for start in range(0, 100, 20)])
    assert found.select(names).equals(expected.select(names), null_equal=True)
    ids = found.select(pl.col("^last.*__id$"))
    assert ids.width == 4 and ids["last[0]__id"].max() > 1
