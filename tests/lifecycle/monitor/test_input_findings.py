"""What is named of inputs that broke, in a small month of the simulated exchange, and that nothing is where nothing did."""

import numpy as np
import polars as pl
import pytest

from bench.monitor.looks import EMBEDDING
from bench.monitor.planted import FAULTS
from bench.monitor.scenes import Scene, scene
from lifecycle.monitor.counts.panel import Panel
from lifecycle.monitor.inputs.kinds import Named, named
from lifecycle.monitor.inputs.sentences import finding_of
from lifecycle.monitor.inputs.verdicts import hits_at

CLEAN, BROKEN = 24_000, 12_000


@pytest.fixture(scope="module")
def small() -> Scene:
    return scene(5, 100_000)


@pytest.fixture(scope="module")
def rows(small: Scene) -> pl.DataFrame:
    return small.month(luck=3)[: CLEAN + BROKEN]


def at_the_end(panel: Panel, one: Scene) -> list[Named]:
    return named(hits_at(panel, np.array([len(panel.hour_U)]), one.config), panel)


def test_nothing_is_found_at_any_hour_where_nothing_changes(small: Scene, rows: pl.DataFrame) -> None:
    panel = small.counted(rows)
    assert hits_at(panel, np.arange(1, len(panel.hour_U) + 1), small.config) == []


@pytest.mark.parametrize("fault", ["empty", "misspelt", "local_time", "cents", "swapped", "bot", "darker", "shifted"])
def test_a_fault_of_one_row_in_ten_is_named_by_column_and_kind(small: Scene, rows: pl.DataFrame, fault: str) -> None:
    rng = np.random.default_rng(11)
    hit_N = (np.arange(len(rows)) >= CLEAN) & (rng.random(len(rows)) < 0.1)
    broken, column, kinds = FAULTS[fault][1](rows, hit_N, rng)
    found = at_the_end(small.counted(broken), small)
    assert any(one.hit.column == column and one.kind in kinds for one in found), [(one.hit.column, one.kind) for one in found]


def test_hours_and_factor_are_said_and_the_finding_survives_json(small: Scene, rows: pl.DataFrame) -> None:
    wrong = (np.arange(len(rows)) >= CLEAN) & (np.arange(len(rows)) % 8 == 0)
    late = pl.when(pl.Series(wrong)).then((pl.col("hour") + 2) % 24).otherwise(pl.col("hour"))
    dear = pl.when(pl.Series(wrong)).then(pl.col("floor_price") * 100).otherwise(pl.col("floor_price"))
    panel = small.counted(rows.with_columns(hour=late, floor_price=dear))
    found = {one.hit.column: one for one in at_the_end(panel, small)}
    assert found["hour"].detail == {"hours": 2}
    assert found["floor_price"].detail == {"factor": 100.0}
    finding = finding_of(found["hour"], panel, release=4)
    assert finding.sentence.startswith("hour is +2 hours off the time of the answer: ")
    assert finding.chance is not None
    assert 0 < finding.chance < finding.effect
    assert finding.window.entities is not None
    assert 500 < finding.window.entities < finding.window.rows


def test_images_that_look_alike_and_are_embedded_otherwise_are_found(small: Scene, rows: pl.DataFrame) -> None:
    """As by an encoder that was not trained: one vector for all of them."""
    hit = pl.Series(np.arange(len(rows)) >= CLEAN) & rows["image_embedding"].is_not_null()
    same = pl.lit([1.0] * EMBEDDING).cast(rows.schema["image_embedding"])
    broken = rows.with_columns(image_embedding=pl.when(hit).then(same).otherwise("image_embedding"))
    found = {one.hit.column for one in at_the_end(small.counted(broken), small) if one.hit.verdict == "page"}
    assert "image_embedding_length" in found and all(column.startswith("image_embedding_") for column in found)
