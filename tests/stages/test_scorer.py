"""The parts of bulk scoring: blocks of the ranker, repeated values, creatives that are looked at."""

import numpy as np
import polars as pl
import pytest

from contracts.tables.chunk import ROW
from contracts.tables.clean_rows import CleanRows
from stages.features.apply import Encoder
from stages.scoring import creatives, scorer
from stages.scoring.creatives import ImageTable
from stages.scoring.scorer import Scorer
from tests.stages.pipeline_world import rows_of, write_png


@pytest.fixture
def model(exported, project):
    """The exported model's folder; the working directory is the test's own."""
    return exported / "artifacts/export"


def coded(rows: pl.DataFrame, names: tuple[str, ...]) -> CleanRows:
    """`rows` with the columns `names` as places of their values, missing ones too."""
    values = [rows[name].unique(maintain_order=True) for name in names]
    length = max(map(len, values))
    distinct = pl.DataFrame([cells.extend_constant(cells[0], length - len(cells)) for cells in values])
    places = pl.DataFrame([
        pl.Series(name, [cells.to_list().index(cell) for cell in rows[name]], dtype=pl.UInt32)
        for name, cells in zip(names, values, strict=True)
    ])  # fmt: skip
    numbered = rows.drop(names).with_columns(pl.Series(ROW, range(1, len(rows) + 1), dtype=pl.UInt32))
    return CleanRows(cells=numbered, places=places, values=distinct)


@pytest.mark.parametrize("block", [16, 1024, 4096])
def test_the_size_of_the_rankers_calls_is_not_in_the_probabilities(monkeypatch, model, block):
    rows = rows_of(2, 5000)
    usual = Scorer(model).score(rows)
    monkeypatch.setattr(scorer, "RANKER_ROWS", block)
    monkeypatch.setattr(scorer, "TASK_ROWS", 2 * block)
    assert Scorer(model).score(rows).tobytes() == usual.tobytes()
    assert usual.std() > 0.05
    assert len(Scorer(model).score(rows[:0])) == 0


def test_repeated_values_are_encoded_as_rows_are(model):
    rows = rows_of(2, 3000)
    encoder = Encoder(model / "encoder.onnx")
    names = [name for name in encoder.inputs if rows[name].n_unique() < 300]
    assert any(rows.schema[name].is_numeric() for name in names) and any(rows.schema[name] == pl.String for name in names)
    rows = rows.with_columns(pl.when(pl.int_range(pl.len()) % 7 > 0).then(pl.col(name)).alias(name) for name in names)
    plain, found = encoder.encode(rows), encoder.encode(coded(rows, tuple(names)))
    assert found.cat_idx.tobytes() == plain.cat_idx.tobytes() and plain.cat_idx.shape[0] == 3000
    assert found.num_feats.tobytes() == plain.num_feats.tobytes()
    assert found.creative_idx.tolist() == plain.creative_idx.tolist()


def test_clean_rows_are_spelled_out_and_filtered():
    rows = pl.DataFrame({"a": ["x", None, "x", "y"], "n": [1.5, 2.5, 2.5, None], "k": [4, 3, 2, 1]})
    clean = coded(rows, ("a", "n"))
    assert len(clean) == 4
    assert clean.spelled_out(["k", "n", "a", ROW]).rows() == [
        (4, 1.5, "x", 1), (3, 2.5, None, 2), (2, 2.5, "x", 3), (1, None, "y", 4),
    ]  # fmt: skip
    some = clean.where(pl.Series([False, True, True, False]))
    assert some.spelled_out(["a", "k"]).rows() == [(None, 3), ("x", 2)]
    assert clean.where(pl.Series([True] * 4)) is clean
    only_cells = CleanRows(cells=rows, places=pl.DataFrame(), values=pl.DataFrame())
    assert only_cells.where(pl.Series([True, False, False, False])).cells.rows() == [("x", 1.5, 4)]


def test_an_image_under_many_creatives_is_looked_at_once_and_counts_for_each(monkeypatch, project, model):
    looked = []
    whole = creatives.pixels_or_reason
    monkeypatch.setattr(creatives, "pixels_or_reason", lambda content, size: looked.append(content) or whole(content, size))
    write_png(project / "a.png", (250, 10, 10))
    content = (project / "a.png").read_bytes()
    names = [f"fresh{i % 150}" for i in range(300)]
    rows = rows_of(2, 300).with_columns(pl.Series("ad", names))
    images = pl.DataFrame({"creative_id": [f"fresh{i}" for i in range(100)], "image": [content] * 100})
    ranked = Scorer(model)
    shown, blind = ranked.score(rows, images, "ad"), ranked.score(rows)
    assert looked == [content]
    has_image = np.array([int(name[5:]) < 100 for name in names])
    assert (shown[has_image] != blind[has_image]).all()
    assert (shown[~has_image] == blind[~has_image]).all()
    one = Scorer(model).score(rows[7:8], images, "ad")
    assert one.tolist() == shown[7:8].tolist()


def test_a_table_whose_image_is_broken_is_refused_by_the_creatives_name():
    table = ImageTable(pl.DataFrame({"creative_id": ["ad1"], "image": [b"torn"]}))
    with pytest.raises(ValueError, match="the image of creative 'ad1' cannot be read: too short"):
        table.read("ad1", lambda content: "too short")
    assert table.read("ad2", lambda content: None).content is None
