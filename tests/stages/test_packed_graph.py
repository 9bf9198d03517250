"""`ctr_packed.onnx` says what `ctr.onnx` says, of clean rows and of the strangest."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import polars as pl
import pytest

from contracts.serving.packed_text import text_of
from contracts.serving.request import request_of
from stages.exporting.packed import packed_graph
from stages.exporting.parity import packed_feed, raw_feed
from stages.features.graph import build_encoder
from stages.features.vocabulary import Scale, Vocabulary
from stages.onnx_session import open_session
from tests.serving.served_world import declaration_of, request_spec
from tests.stages.declared_worlds import DECLARATIONS

ODD_STRINGS = ("", "never seen", "1", "\u00e9\u4e2d", "a" * 300, "!!", "\0", "\x1e")
ODD_FLOATS = (float("nan"), 0.0, -1.0, 1e30, float("inf"), float("-inf"))


@pytest.fixture(params=["images", *DECLARATIONS])
def world(request, exported, exported_as) -> Path:
    return exported if request.param == "images" else exported_as(request.param)


def odd(rows: pl.DataFrame, world: Path) -> pl.DataFrame:
    """The rows with strange values in turn in every column."""
    request = request_spec(world)
    texts = [
        pl.Series(
            c.name, [ODD_STRINGS[i % len(ODD_STRINGS)] if i % 3 == j % 3 else v for i, v in enumerate(rows[c.name].cast(str))]
        )
        for j, c in enumerate(request.categorical)
    ]
    floats = [
        pl.Series(
            c.name, [ODD_FLOATS[i % len(ODD_FLOATS)] if i % 3 == j % 3 else v for i, v in enumerate(rows[c.name])], strict=False
        )
        for j, c in enumerate(request.numeric)
    ]
    return rows.with_columns(*texts, *floats)


@pytest.mark.parametrize("batch", [1, 5, 64])
def test_it_says_what_the_fused_graph_says(world, batch):
    fused, packed = (open_session(world / f"artifacts/export/{name}.onnx") for name in ("ctr", "ctr_packed"))
    rows = pl.read_parquet(world / "data/split/test.parquet")
    rows = pl.concat([rows, odd(rows, world)], how="vertical_relaxed").sample(fraction=1, shuffle=True, seed=0)
    outputs = [value.name for value in fused.get_outputs()]
    assert [value.name for value in packed.get_outputs()] == outputs
    raw, feed = raw_feed(rows, fused), packed_feed(rows, request_of(declaration_of(world)), packed)
    for start in range(0, len(rows), batch):
        some = slice(start, min(start + batch, len(rows)))
        expected = dict(zip(outputs, fused.run(outputs, {name: values[some] for name, values in raw.items()}), strict=True))
        found = dict(zip(outputs, packed.run(outputs, feed(some)), strict=True))
        np.testing.assert_allclose(found.pop("p_click"), expected.pop("p_click"), rtol=0, atol=1e-6)
        for name, ids in expected.items():
            assert found[name].dtype == ids.dtype
            np.testing.assert_array_equal(found[name], ids)


def test_it_needs_fewer_operations(exported):
    fused, packed = (onnx.load(exported / f"artifacts/export/{name}.onnx").graph.node for name in ("ctr", "ctr_packed"))
    assert len(packed) < len(fused)


def test_values_of_one_column_are_not_known_in_another(exported, tmp_path):
    request = request_spec(exported)
    names = [column.name for column in request.categorical]
    encoder = build_encoder([Vocabulary(name=names[0], values=("same",)), Vocabulary(name=names[1], values=("x", "same"))], None)
    path = tmp_path / "ctr_packed.onnx"
    onnx.save(packed_graph(encoder, stand_in_ranker(2), request), path)
    session = open_session(path)
    rows = [["same", "same", *[""] * (len(names) - 2)], ["x", "x", *["same"] * (len(names) - 2)]]
    text = np.array([text_of(rows, session.get_modelmeta().custom_metadata_map["separator"])], dtype=object)
    assert session.run(["cat_idx"], {"text": text})[0].tolist() == [[2, 3], [0, 2]]


def test_the_separator_is_none_that_the_vocabulary_holds(exported, tmp_path):
    request = request_spec(exported)
    name = request.categorical[0].name
    encoder = build_encoder([Vocabulary(name=name, values=("a\x1fb",))], None)
    path = tmp_path / "ctr_packed.onnx"
    onnx.save(packed_graph(encoder, stand_in_ranker(1), request), path)
    session = open_session(path)
    separator = session.get_modelmeta().custom_metadata_map["separator"]
    assert separator == "\x1e"
    row = ["a\x1fb", *["-"] * (len(request.categorical) - 1)]
    text = np.array([text_of([row], separator)], dtype=object)
    assert session.run(["cat_idx"], {"text": text})[0].tolist() == [[2]]


def test_numbers_without_edges_or_logarithm_are_buckets_too(exported, tmp_path):
    request = request_spec(exported)
    request = replace(request, numeric=(request.numeric[0], replace(request.numeric[0], name="another")))
    names = [column.name for column in request.numeric]
    plain = dict(range=(-9.0, 9.0), mean=1.0, std=2.0, has_missing=True, max_sigma=3.0)
    encoder = build_encoder(
        [Scale(name=names[1], log=False, edges=(), **plain), Scale(name=names[0], log=True, edges=(1.0, 2.0), **plain)], None
    )
    path, fused = tmp_path / "ctr_packed.onnx", tmp_path / "encoder.onnx"
    onnx.save(packed_graph(encoder, stand_in_ranker(2), request), path)
    onnx.save(encoder, fused)
    x_NM = np.zeros((4, len(names)), dtype=np.float32)
    x_NM[:, 0], x_NM[:, 1] = [np.nan, 0.5, 1.0, 7.0], [3.0, np.nan, -9.0, 99.0]
    found = open_session(path).run(["cat_idx"], {"numeric": x_NM})[0]
    assert found.tolist() == open_session(fused).run(["cat_idx"], {names[0]: x_NM[:, 0], names[1]: x_NM[:, 1]})[0].tolist()
    assert found.tolist() == [[2, 1], [1, 2], [2, 3], [2, 4]]


def stand_in_ranker(num_fields: int) -> onnx.ModelProto:
    """cat_idx [B, F] -> p_click [B], some function of it."""
    node = onnx.helper.make_node
    nodes = [
        node("Cast", ["cat_idx"], ["float"], to=onnx.TensorProto.FLOAT),
        node("ReduceMean", ["float", "axis"], ["p_click"], keepdims=0),
    ]
    graph = onnx.helper.make_graph(
        nodes,
        "ranker",
        [onnx.helper.make_tensor_value_info("cat_idx", onnx.TensorProto.INT64, ["batch", num_fields])],
        [onnx.helper.make_tensor_value_info("p_click", onnx.TensorProto.FLOAT, ["batch"])],
        initializer=[onnx.numpy_helper.from_array(np.array([1]), "axis")],
    )
    return onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 18)], ir_version=10)
