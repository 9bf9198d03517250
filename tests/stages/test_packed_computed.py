"""What `ctr_packed.onnx` computes of columns is what `encoder.onnx` does, to the last bit, on the oddest rows."""

from dataclasses import replace

import numpy as np
import onnx
import polars as pl
import pytest
from onnx import TensorProto, helper

from contracts.serving.request import RequestSpec
from stages.exporting.packed import packed_graph
from stages.exporting.parity import packed_feed
from stages.features.computed import Cross
from stages.features.graph import build_encoder
from stages.onnx_session import open_session
from tests.features.test_computed_columns import READ, fitted, rows_of
from tests.features.test_encoder import whole_graph

REQUEST = RequestSpec(
    categorical=tuple(column for column in READ if column.is_categorical),
    numeric=tuple(column for column in READ if column.role == "numeric"),
    instants=(),
    creative=None,
    digest="",
)


def floats_as_they_are(width: int) -> onnx.ModelProto:
    """A ranker whose output is its floats."""
    floats, found = (
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", width]) for name in ("num_feats", "p_click")
    )
    graph = helper.make_graph([helper.make_node("Identity", ["num_feats"], ["p_click"])], "floats", [floats], [found])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)


def empty_cross(parts: list) -> Cross:
    """A cross of which training has no value often enough."""
    sizes = tuple(part.num_ids for part in parts if part.name in ("site", "hour"))
    return Cross(name="empty", values=(), of=("site", "hour"), sizes=sizes, ids=())


@pytest.mark.parametrize("dropped", [(), ("price", "area"), ("per/m2",), ("gap", "per/m2"), ("th ree",), ("pair", "th ree")])
def test_the_packed_graph_computes_what_the_encoder_does(tmp_path, dropped):
    parts = [part for part in fitted(rows_of(4000, seed=1)) if part.name not in dropped]
    parts = [empty_cross(parts), *parts, replace(empty_cross(parts), name="empty too")]
    rows = pl.concat([rows_of(700, seed=4), rows_of(700, seed=5, strange=True)])
    encoder, packed = tmp_path / "encoder.onnx", tmp_path / "ctr_packed.onnx"
    onnx.save(build_encoder(parts, None), encoder)
    expected = whole_graph(encoder, rows)
    onnx.save(packed_graph(onnx.load(encoder), floats_as_they_are(expected["num_feats"].shape[1]), REQUEST), packed)
    session = open_session(packed)
    feed = packed_feed(rows, REQUEST, session)
    for start, stop in ((0, 1), (1, 40), (40, len(rows))):
        found = dict(zip(("p_click", "cat_idx"), session.run(["p_click", "cat_idx"], feed(slice(start, stop))), strict=True))
        np.testing.assert_array_equal(found["cat_idx"], expected["cat_idx"][start:stop])
        np.testing.assert_array_equal(found["p_click"].view(np.int32), expected["num_feats"][start:stop].view(np.int32))
    assert set(expected["cat_idx"][:, 0].tolist()) == {0, 1}
