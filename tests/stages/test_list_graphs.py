"""Networks of rows with several values in a cell, in ONNX Runtime as in torch; which codes the packed graph has."""

import numpy as np
import onnx
import pytest
import torch
from onnx import helper

from contracts.serving.packed_text import column_code, prefixes, text_of
from stages.exporting.graphs import ranker_graph
from stages.files import read_json
from stages.models.network import NETWORKS, build_network
from stages.onnx_session import open_session
from tests.models.encoded_world import model_config, spec_of
from tests.models.test_list_fields import WORLD, random_rows
from tests.serving.served_world import REPOSITORY, request_spec


@pytest.mark.parametrize("name", NETWORKS)
def test_pooling_and_attention_are_exported(tmp_path, name):
    torch.manual_seed(8)
    network = build_network(model_config(name), spec_of(WORLD)).eval()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.normal_(0, 0.4)
    path = tmp_path / "ranker.onnx"
    onnx.save(ranker_graph(network, None), path)
    rows, floats = random_rows(200), torch.randn(200, 1)
    with torch.no_grad():
        expected = torch.sigmoid(network(rows, floats, None, None)).numpy()
    session = open_session(path)
    taken = {value.name for value in session.get_inputs()}
    for size in (1, 7, 200):
        feeds = [{"cat_idx": rows[i : i + size].numpy(), "num_feats": floats[i : i + size].numpy()} for i in range(0, 200, size)]
        found = [session.run(None, {key: feed[key] for key in taken})[0] for feed in feeds]
        np.testing.assert_allclose(np.concatenate(found), expected, atol=1e-6, rtol=0)
    assert expected.std() > 0.05


def test_slots_of_a_column_bear_one_code_and_their_values_stand_in_the_graph_once(exported_as):
    folder = exported_as("lists")
    rules = read_json(folder / REPOSITORY / "ctr_careful/1/request.json")["categorical"]
    places = {rule["name"]: place for place, rule in enumerate(rules)}
    codes = {rule["name"]: rule.get("code", place) for place, rule in enumerate(rules)}
    assert [codes[f"tags[{i}]"] for i in range(3)] == [places["tags[0]"]] * 3
    assert [codes[f"last[{i}]"] for i in range(4)] == [places["last[0]"]] * 4
    assert request_spec(folder).codes == list(codes.values())
    graph = onnx.load(folder / "artifacts/export/ctr_packed.onnx").graph
    node = next(node for node in graph.node if node.op_type == "LabelEncoder")
    keys = next(helper.get_attribute_value(one) for one in node.attribute if one.name == "keys_strings")
    assert sum(key.endswith(b"dogs") for key in keys) == 1
    assert sorted(key[:2].decode() for key in keys if key.endswith(b"ad1")) == sorted(
        column_code(codes[name]) for name in ("ad", "last[0]")
    )


def test_a_code_is_written_before_each_string():
    assert text_of([["a", "b", "c"]], "\x1f", [0, 1, 1]) == '\x1f\x1f!!a\x1f\x1f!"b\x1f\x1f!"c'
    assert prefixes(3, "\x1f", [0, 1, 1]).tobytes() == b'\x1f\x1f!!\x1f\x1f!"\x1f\x1f!"'
