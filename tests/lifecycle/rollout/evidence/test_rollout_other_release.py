"""What the other release says follows from its own columns and from what it knows itself; else it says nothing."""

import hashlib
import json
import shutil

import numpy as np
import polars as pl
import pyarrow.parquet as pq
import pytest

from contracts.serving.packed_text import text_of
from lifecycle.replay.release import Released
from lifecycle.rollout.evidence.other import OtherRelease
from serving.triton.journal.layout import CHALLENGER, KEY_SENT
from tests.lifecycle.replay.routed_world import Arms
from tests.lifecycle.rollout.evidence.evidence_world import gathered, label
from tests.serving.doors import packed

PLACES, UNKNOWN_AD = np.arange(3), 99


@pytest.fixture
def arms(tmp_path, strict_exported, strict_spec):
    return Arms(tmp_path, strict_exported, strict_spec)


@pytest.fixture
def served(arms, strict_rows):
    """The file of three rows that the champion answered."""
    arms.answer(strict_rows, flags=KEY_SENT, key=b"user 7")
    arms.to_parquet()
    (path,) = (arms.folder / "served").rglob("*.parquet")
    return path


def said(arms, path, number: int = 2) -> np.ndarray:
    return OtherRelease(arms.store, number, arms.folder).probabilities(path, PLACES)


def by_graph(arms, rows, look_E=None) -> np.ndarray:
    """What the challenger's graph says; `look_E`: of the image that comes with each row."""
    tensors = packed(rows[:3], arms.challenger._spec)
    strings, numbers_NM = (
        [[value.decode() for value in row] for row in tensors["categorical"]],
        tensors["numeric"].astype(np.float32),
    )
    graph = Released(arms.store, 2).graph(None)
    looks_NE = None if look_E is None else np.tile(look_E, (3, 1))
    return graph.answer(text_of(strings, graph.separator).encode(), numbers_NM, looks_NE).p_click_N


def changed(path, change) -> None:
    """The file with other rows."""
    table = pl.from_arrow(pq.read_table(path, partitioning=None))
    pq.write_table(change(table).to_arrow(), path)


def with_image(path, ad: int, digest: str, known_as: int) -> None:
    """An image came with each row, of this creative, which the release that answered knew as that."""
    cells = {"ad": pl.lit(ad), "image_sha256": pl.lit(digest), "creative_image__id": pl.lit(known_as)}
    changed(path, lambda rows: rows.with_columns(value.cast(rows.schema[name]).alias(name) for name, value in cells.items()))


def of_ad(rows: pl.DataFrame, ad: int) -> pl.DataFrame:
    return rows.with_columns(pl.lit(ad, rows.schema["ad"]).alias("ad"))


def kept_image(arms, exported) -> str:
    content = next(exported.rglob("ads/0.png")).read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    path = arms.folder / "images" / digest[:2] / digest
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    return digest


def test_a_column_that_the_champion_does_not_have_is_missing(arms, served, strict_rows):
    changed(served, lambda rows: rows.drop("site", "site__id"))
    (note,) = (arms.folder / "done").glob(f"{served.stem}*.json")
    about = json.loads(note.read_text())
    schema = about["about"]["schema"]
    schema["categorical"] = [column for column in schema["categorical"] if column["name"] != "site"]
    schema["ids"].remove("site")
    note.write_text(json.dumps(about))
    without = strict_rows.with_columns(pl.lit(None, pl.String).alias("site"))
    np.testing.assert_allclose(said(arms, served), by_graph(arms, without), atol=1e-6)
    assert not np.allclose(by_graph(arms, without), by_graph(arms, strict_rows), atol=1e-4)  # it says something else of them


def test_a_creative_that_only_the_other_release_does_not_know_lacks_its_image(arms, served):
    with_image(served, UNKNOWN_AD, "0" * 64, known_as=3)
    assert np.isnan(said(arms, served)).all()


def test_a_creative_that_only_the_other_release_knows_needs_no_image(arms, served, strict_rows):
    with_image(served, 1, "0" * 64, known_as=0)
    np.testing.assert_allclose(said(arms, served), by_graph(arms, of_ad(strict_rows, 1)), atol=1e-6)


def test_an_image_that_was_kept_is_looked_at(arms, served, strict_exported, strict_rows):
    digest, rows = kept_image(arms, strict_exported), of_ad(strict_rows, UNKNOWN_AD)
    with_image(served, UNKNOWN_AD, digest, known_as=0)
    look_E = Released(arms.store, 2).look(arms.folder, digest)
    np.testing.assert_allclose(said(arms, served), by_graph(arms, rows, look_E), atol=1e-6)
    assert not np.allclose(by_graph(arms, rows), by_graph(arms, rows, look_E), atol=1e-6)  # it matters
    shutil.rmtree(arms.store / "creative_encoder/2")  # nothing is there to look at it
    assert np.isnan(said(arms, served)).all()


def test_hidden_columns_and_releases_that_are_gone_say_nothing(arms, served):
    assert np.isnan(said(arms, served, number=7)).all()
    (note,) = (arms.folder / "done").glob(f"{served.stem}*.json")
    about = json.loads(note.read_text())
    about["about"]["columns"] = {"spent": "drop"}
    note.write_text(json.dumps(about))
    assert np.isnan(said(arms, served)).all()


def test_a_challenger_that_is_gone_with_its_note_leaves_its_rows_out(arms, strict_rows):
    ours = arms.answer(strict_rows, flags=KEY_SENT, key=b"user 1")
    arms.shadow(ours, strict_rows)
    theirs = arms.answer(strict_rows[3:], CHALLENGER, flags=KEY_SENT, key=b"user 2")
    arms.to_parquet()
    label(arms.folder.parent / "feedback", {(own, row): 0 for own in (ours, theirs) for row in range(3)})
    shutil.rmtree(arms.folder / "done")
    shutil.rmtree(arms.store / "ctr/2")
    found = gathered(arms.folder.parent)
    assert found.lacking == 0 and found.pairs().height == 6  # the champion is there, and was asked
    shutil.rmtree(arms.folder.parent / "rollouts")
    (arms.store / "ctr/1/ctr_packed.onnx").write_bytes(b"damaged")
    found = gathered(arms.folder.parent)
    assert found.lacking == 0.5 and found.pairs()["prediction_id"].to_list() == [ours] * 3


def test_columns_that_a_file_lacks_are_missing_in_its_rows(arms, served):
    own = pl.read_parquet(served, hive_partitioning=False)["prediction_id"][0]
    changed(served, lambda rows: rows.drop("ad", "device"))
    label(arms.folder.parent / "feedback", {(own, 0): 1})
    pairs = gathered(arms.folder.parent, slices=["device", "view"]).pairs()
    assert pairs["creative"].to_list() == [None] and pairs["slice_device"].to_list() == [None]
    assert pairs["slice_view"].to_list() == [str(pl.read_parquet(served, hive_partitioning=False)["view"][0])]
