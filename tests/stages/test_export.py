"""Stage export: graphs that say what torch says, named for people, and a manifest that fits its files."""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import polars as pl
import pytest
import torch

from stages import export
from stages.exporting.graphs import ranker_graph
from stages.exporting.manifest import SECTIONS
from stages.exporting.parity import largest_difference, pixels_feed, raw_feed, sliced, torch_probabilities
from stages.features.apply import Encoder
from stages.files import read_json, sha256_file
from stages.models.encoded_arrays import load_creatives, load_spec, load_split
from stages.models.model_folder import load_model
from stages.models.network import build_network
from stages.scoring.scorer import RANKER_ROWS
from tests.models.encoded_world import NETWORK_NAMES, World, model_config, spec_of
from tests.stages.pipeline_world import declaration

BATCH_SIZES = (1, 2, 7, 1024)


@pytest.fixture
def here(exported, monkeypatch):
    monkeypatch.chdir(exported)
    return exported


def session(name: str) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.log_severity_level = 3
    return ort.InferenceSession(f"artifacts/export/{name}.onnx", options, providers=["CPUExecutionProvider"])


def shapes(values) -> dict[str, list]:
    return {value.name: value.shape for value in values}


def test_tensors_have_meaningful_names_and_only_the_batch_is_dynamic(here):
    ranker, ctr, looks = session("ranker"), session("ctr"), session("creative_encoder")
    assert shapes(ranker.get_inputs()) == {
        "cat_idx": ["batch", 4], "num_feats": ["batch", 2], "creative_idx": ["batch"],
    }  # fmt: skip
    assert shapes(ranker.get_outputs()) == {"p_click": ["batch"]}
    assert shapes(ctr.get_inputs()) == {name: ["batch"] for name in ("site", "ad", "age", "view")}
    assert shapes(ctr.get_outputs()) == {"p_click": ["batch"], "cat_idx": ["batch", 4], "creative_idx": ["batch"]}
    assert ctr.get_outputs()[0].name == "p_click"
    assert shapes(looks.get_inputs()) == {"creative_pixels": ["batch", 3, 8, 8]}
    assert shapes(looks.get_outputs()) == {"creative_emb": ["batch", 4]}


def test_graphs_give_torch_probabilities_at_every_batch_size(here):
    network, spec = load_model(Path("artifacts/model")), load_spec(Path("data/encoded"))
    table = export.creative_table(network, load_creatives(Path("data/encoded"), spec))
    split = load_split(Path("data/encoded"), "test", spec)
    expected = torch_probabilities(network, split, table)
    assert expected.std() > 0.05
    feed = raw_feed(pl.read_parquet("data/split/test.parquet"), session("ctr"))
    for size in BATCH_SIZES:
        assert largest_difference(Path("artifacts/export/ctr.onnx"), sliced(feed), expected, size) <= 1e-6
    expected[7] = np.nan
    assert np.isnan(largest_difference(Path("artifacts/export/ctr.onnx"), sliced(feed), expected, 64))
    found = read_json(Path("reports/parity.json"))
    assert found["rows"] == 300
    graphs = ("ranker", "ctr", "ctr_packed")
    names = {f"{graph}_batch_{size}" for graph in graphs for size in (1, 64)}
    assert set(found["max_abs_difference"]) == names | {"creative_encoder_batch_64"}
    assert max(found["max_abs_difference"].values()) <= 1e-6


def test_the_creative_encoder_gives_torch_embeddings(here):
    network = load_model(Path("artifacts/model"))
    pixels = np.random.default_rng(2).integers(0, 256, (5, 3, 8, 8), dtype=np.uint8)
    with torch.no_grad():
        expected = network.creative_encoder(torch.from_numpy(pixels)).numpy()
    found = session("creative_encoder").run(None, {"creative_pixels": pixels})[0]
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("linear_share", [0.0, 0.3])
@pytest.mark.parametrize("name", NETWORK_NAMES)
def test_a_row_has_the_same_bits_wherever_in_a_full_batch_it_stands(name, linear_share):
    torch.manual_seed(0)
    world = World(num_dense=5)
    network = build_network(model_config(name), spec_of(world))
    if linear_share:
        network.add_linear_part(linear_share)
    network.eval()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.normal_(std=0.5)
    table = np.random.default_rng(0).normal(size=(10, network.creative_dim)).astype(np.float32)
    runner = ort.InferenceSession(ranker_graph(network, table).SerializeToString(), providers=["CPUExecutionProvider"])
    rng = np.random.default_rng(1)
    rows = {
        "cat_idx": np.stack([rng.integers(0, num_ids, RANKER_ROWS) for num_ids in world.num_ids], axis=1),
        "num_feats": rng.normal(size=(RANKER_ROWS, 5)).astype(np.float32),
        "creative_idx": rng.integers(0, 10, RANKER_ROWS),
    }
    expected = runner.run(["p_click"], rows)[0]
    assert expected.std() > 0.05
    for shift in (1, 2, 3, 5, 17):
        rolled = runner.run(["p_click"], {column: np.roll(values, shift, axis=0) for column, values in rows.items()})[0]
        assert np.array_equal(np.roll(rolled, -shift), expected), shift


def test_an_embedding_is_taken_where_the_creative_is_unknown_and_only_there(here):
    ranker = session("ranker")
    rows = {
        "cat_idx": np.full((3, 4), 2), "num_feats": np.zeros((3, 2), np.float32), "creative_idx": np.array([0, 1, 0]),
    }  # fmt: skip
    without = ranker.run(None, rows)[0]
    emb = np.array([[9, 9, 9, 9]] * 3, dtype=np.float32)
    shown = ranker.run(None, rows | {"creative_emb": emb})[0]
    assert without[0] == without[2] and shown[0] == shown[2]
    assert shown[1] == without[1]
    assert shown[0] != without[0]


def test_encoder_and_ranker_one_after_the_other_are_the_fused_graph(here):
    rows = pl.read_parquet("data/split/test.parquet")[:50]
    encoded = Encoder(Path("artifacts/export/encoder.onnx")).encode(rows)
    feed = {"cat_idx": encoded.cat_idx, "num_feats": encoded.num_feats, "creative_idx": encoded.creative_idx}
    two = session("ranker").run(None, feed)[0]
    fused = session("ctr")
    np.testing.assert_allclose(fused.run(None, raw_feed(rows, fused))[0], two, rtol=0, atol=2e-7)


def test_an_encoder_that_sees_other_than_the_tower_is_found(here, monkeypatch):
    spec = load_spec(Path("data/encoded"))
    images, split = np.array(load_creatives(Path("data/encoded"), spec)), load_split(Path("data/encoded"), "test", spec)
    network, folder = load_model(Path("artifacts/model")), Path("artifacts/export")
    table = export.creative_table(network, images)
    expected = torch_probabilities(network, split, table)
    same = pixels_feed(split, folder / "creative_encoder.onnx", table[:1], images)
    assert largest_difference(folder / "ranker.onnx", same, expected, 64) <= 1e-6
    other = pixels_feed(split, folder / "creative_encoder.onnx", table[:1], 255 - images)
    assert largest_difference(folder / "ranker.onnx", other, expected, 64) > 1e-3


def test_no_column_shares_its_name_with_a_value_inside_the_fused_graph(here):
    graph = onnx.load("artifacts/export/ctr.onnx").graph
    columns = {value.name for value in graph.input}
    made = {name for node in graph.node for name in node.output} | {value.name for value in graph.initializer}
    assert "view" in columns  # as torch calls a reshaped tensor
    assert not columns & (made - {"creative_emb"})


def test_the_manifest_fits_the_files_the_data_and_the_parameters(here):
    folder = Path("artifacts/export")
    manifest = read_json(folder / "manifest.json")
    others = sorted(path for path in folder.iterdir() if path.name != "manifest.json")
    assert manifest["files"] == {path.name: sha256_file(path) for path in others}
    assert manifest["data"]["test.parquet"] == sha256_file(Path("data/split/test.parquet"))
    assert set(manifest["params"]) == set(SECTIONS)
    assert str(here) not in (folder / "manifest.json").read_text()
    for path in folder.glob("*.onnx"):
        assert str(here).encode() not in path.read_bytes()


def test_a_difference_above_the_allowed_one_stops_the_export():
    with pytest.raises(ValueError, match="ctr_batch_7 differs from torch by 2.00e-05 in a probability, allowed is 1e-06"):
        export.refuse_difference({"ranker_batch_1": 0.0, "ctr_batch_7": 2e-5}, 1e-6)
    with pytest.raises(ValueError, match="differs from torch by nan"):
        export.refuse_difference({"ranker_batch_1": 0.0, "ctr_batch_1": float("nan"), "ctr_batch_7": 2e-5}, 1e-6)
    export.refuse_difference({"ranker_batch_1": 1e-6}, 1e-6)


def test_declaration_of_the_export_is_the_data_section(here):
    assert read_json(Path("artifacts/export/declaration.json"))["columns"] == declaration()["columns"]
