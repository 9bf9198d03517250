"""The model repositories: every `config.pbtxt`, parsed back, fits the ONNX files and the request, in both packagings."""

import hashlib
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from tritonclient.grpc import model_config_pb2 as triton

from contracts.serving.journal import KEY
from contracts.serving.request import CATEGORICAL, IMAGE, NUMERIC
from serving.triton.package import check_package
from stages.exporting.container import served_ranker
from stages.files import read_json
from stages.onnx_session import open_session
from tests.serving.container_world import configs, read_config
from tests.serving.served_world import request_spec
from tests.stages.declared_worlds import DECLARATIONS

WORLDS = ("images", *DECLARATIONS)
PACKAGINGS = ("embedded", "container")
ONNX_TYPES = {
    "tensor(string)": triton.TYPE_STRING, "tensor(float)": triton.TYPE_FP32, "tensor(int64)": triton.TYPE_INT64,
}  # fmt: skip
MAX_BATCH = 1024
Shapes = dict[str, tuple[int, list[int]]]  # tensor -> Triton's type, dims without the batch


@pytest.fixture(params=WORLDS)
def world(request, exported, exported_as) -> Path:
    return exported if request.param == "images" else exported_as(request.param)


DOOR = {"embedded": "ctr_careful", "container": "ctr"}  # the Python model that takes packed requests


def of_onnx(values) -> Shapes:
    """What ONNX Runtime says of a graph's tensors; the first dim is the batch."""
    assert all(value.shape[0] == "batch" for value in values)
    return {value.name: (ONNX_TYPES[value.type], value.shape[1:]) for value in values}


def of_config(values, reshaped: bool = True) -> Shapes:
    """What a config says of them, as the backend sees them (reshaped) or as another model does."""
    return {
        value.name: (
            value.data_type,
            list(value.reshape.shape if reshaped and value.HasField("reshape") else value.dims),
        )
        for value in values
    }


def repository(world: Path, packaging: str) -> Path:
    return world / "artifacts/repository" / packaging


def has_images(world: Path) -> bool:
    return (world / "artifacts/export/creative_encoder.onnx").is_file()


@pytest.mark.parametrize("packaging", PACKAGINGS)
def test_a_repository_holds_the_models_that_the_declaration_needs(world, packaging):
    expected = {"ctr", "ctr_by_name"} | ({"creative_encoder"} if has_images(world) else set())
    expected |= {"encoder", "ranker", "ctr_graph_1"} if packaging == "container" else {"ctr_careful"}
    found = configs(repository(world, packaging))
    assert set(found) == expected
    assert all(config.name == name for name, config in found.items())


@pytest.mark.parametrize("packaging", PACKAGINGS)
def test_every_model_joins_requests_without_a_policy_of_triton_and_has_one_version(world, packaging):
    for name, config in configs(repository(world, packaging)).items():
        assert config.version_policy.latest.num_versions == 1, name
        assert config.max_batch_size == (16 if name == "creative_encoder" else MAX_BATCH), name
        if config.platform != "ensemble":
            assert config.HasField("dynamic_batching"), name
            assert not config.dynamic_batching.HasField("default_queue_policy"), name  # it makes requests get stuck


@pytest.mark.parametrize("packaging", PACKAGINGS)
def test_the_doors_take_what_a_request_holds(world, packaging):
    spec, found = request_spec(world), configs(repository(world, packaging))
    packs = {CATEGORICAL: (triton.TYPE_STRING, spec.categorical), NUMERIC: (triton.TYPE_FP32, spec.numeric)}
    assert (spec.creative is None) == (world.name.startswith(("no_images", "numbers", "strings")))
    image = {} if spec.creative is None else {IMAGE: (triton.TYPE_STRING, [1])}
    packed = {name: (kind, [len(columns)]) for name, (kind, columns) in packs.items() if columns}
    key = {KEY: (triton.TYPE_STRING, [1])}
    assert of_config(found["ctr"].input) == packed | image | key
    by_name = {column.name: (kind, [1]) for kind, columns in packs.values() for column in columns}
    whole = {column.name: (triton.TYPE_STRING, [-1]) for column in spec.lists}
    assert of_config(found["ctr_by_name"].input) == by_name | whole | image | key
    for name in ("ctr", "ctr_by_name"):
        assert of_config(found[name].output) == {
            "probability": (triton.TYPE_FP32, [1]),
            "model_version": (triton.TYPE_INT64, [1]),
            "prediction_id": (triton.TYPE_STRING, [1]),
        }
    warmed = [warmup.batch_size for warmup in found["ctr"].model_warmup]
    assert warmed == ([1, 64, found["ctr"].max_batch_size] if packaging == "embedded" else [])


@pytest.mark.parametrize("packaging", PACKAGINGS)
def test_the_graph_takes_the_columns_that_the_models_are_told_it_uses(world, packaging):
    folder = repository(world, packaging)
    path = world / "artifacts/export/ctr.onnx" if packaging == "embedded" else folder / "encoder/1/model.onnx"
    taken = of_onnx(open_session(path).get_inputs())
    settings = read_json(folder / DOOR[packaging] / "1/request.json")
    used = {
        column["name"]: (kind, [])
        for pack, kind in ((CATEGORICAL, triton.TYPE_STRING), (NUMERIC, triton.TYPE_FP32))
        for column in settings[pack]
        if column["used"]
    }
    assert taken == used


@pytest.mark.parametrize("packaging", PACKAGINGS)
def test_the_creative_encoder_gives_what_its_file_gives(world, packaging):
    folder = repository(world, packaging) / "creative_encoder"
    if not has_images(world):
        assert not folder.exists()
        return
    config = read_config(folder / "config.pbtxt")
    given = of_onnx(open_session(folder / "1/creative_encoder.onnx").get_outputs())
    look = {"creative_look": (triton.TYPE_FP64, [-1])}  # measured, and not by the graph
    assert of_config(config.output) == {name: (kind, [-1]) for name, (kind, _) in given.items()} | look
    assert given["creative_emb"][1] == [len(read_json(folder / "1/request.json")["no_image"])]


@pytest.mark.parametrize("packaging", PACKAGINGS)
def test_every_file_of_a_version_is_in_its_manifest(world, packaging):
    for path in repository(world, packaging).glob("*/1"):
        inside = {p.relative_to(path).as_posix() for p in path.rglob("*") if p.is_file()} - {"package.json"}
        assert set(check_package(path)["files"]) == inside
        assert (path / "release/config.pbtxt").read_bytes() == (path.parent / "config.pbtxt").read_bytes()


@pytest.mark.parametrize("name", ["encoder", "ranker"])
def test_configs_of_the_container_name_the_tensors_of_their_graphs(world, name):
    folder = repository(world, "container") / name
    config, session = read_config(folder / "config.pbtxt"), open_session(folder / "1/model.onnx")
    assert (config.backend, config.default_model_filename) == ("onnxruntime", "model.onnx")
    assert of_config(config.input) == of_onnx(session.get_inputs())
    outputs, given = of_config(config.output), of_onnx(session.get_outputs())
    assert outputs.items() <= given.items()
    assert {tensor for tensor, (_, dims) in given.items() if dims != [0]} == set(outputs)  # numbers that there are none of
    for value in (*config.input, *config.output):
        assert list(value.dims) and all(size > 0 for size in value.dims), value.name
    kind = {"encoder": triton.ModelInstanceGroup.KIND_CPU, "ranker": triton.ModelInstanceGroup.KIND_GPU}[name]
    assert [group.kind for group in config.instance_group] == [kind]
    assert {warmup.batch_size for warmup in config.model_warmup} == {1, 64} | ({MAX_BATCH} if name == "ranker" else set())


def test_the_ensemble_hands_every_tensor_on_as_the_next_model_takes_it(world):
    found = configs(repository(world, "container"))
    ensemble = found["ctr_graph_1"]
    have = of_config(ensemble.input, reshaped=False)
    for step, name in zip(ensemble.ensemble_scheduling.step, ("encoder", "ranker"), strict=True):
        assert step.model_name == name
        inner = found[name]
        assert set(step.input_map) == {value.name for value in inner.input}
        for tensor, taken in of_config(inner.input, reshaped=False).items():
            assert have[step.input_map[tensor]] == taken, tensor
        assert set(step.output_map) == {value.name for value in inner.output}
        have |= {step.output_map[t]: made for t, made in of_config(inner.output, reshaped=False).items()}
    shown = {"p_click", "cat_idx"} | ({"creative_idx"} if has_images(world) else set())
    assert of_config(ensemble.output, reshaped=False) == {name: have[name] for name in shown}
    assert ("creative_emb" in of_config(ensemble.input)) == has_images(world)


def test_tensorrt_gets_a_profile_for_every_input_and_a_cache_of_its_own(world):
    folder = repository(world, "container") / "ranker"
    (accelerator,) = read_config(folder / "config.pbtxt").optimization.execution_accelerators.gpu_execution_accelerator
    taken = of_onnx(open_session(folder / "1/model.onnx").get_inputs())
    for bound, rows in (("min", 1), ("opt", 64), ("max", MAX_BATCH)):
        profile = dict(entry.split(":") for entry in accelerator.parameters[f"trt_profile_{bound}_shapes"].split(","))
        assert profile == {name: "x".join(map(str, [rows, *dims])) for name, (_, dims) in taken.items()}
    digest = hashlib.sha256((folder / "1/model.onnx").read_bytes()).hexdigest()
    assert accelerator.name == "tensorrt"
    assert accelerator.parameters["trt_engine_cache_path"] == f"/engines/{digest[:16]}"


def random_feed(session: ort.InferenceSession, ids: int, num_rows: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(3)
    return {
        value.name: rng.integers(0, ids, (num_rows, *value.shape[1:]))
        if value.type == "tensor(int64)"
        else rng.normal(size=(num_rows, *value.shape[1:])).astype(np.float32)
        for value in session.get_inputs()
    }


def test_the_ranker_of_the_container_is_the_exported_one(world):
    ours = open_session(repository(world, "container") / "ranker/1/model.onnx")
    feed = random_feed(ours, ids=3, num_rows=50)
    assert ("creative_emb" in feed) == has_images(world)
    expected = open_session(world / "artifacts/export/ranker.onnx").run(None, feed)[0]
    assert expected.std() > 0.01
    np.testing.assert_array_equal(ours.run(None, feed)[0], expected)


def test_half_precision_is_written_into_the_graph_and_stays_close(exported):
    path = exported / "artifacts/export/ranker.onnx"
    full, half = served_ranker(path, "FP32"), served_ranker(path, "FP16")
    assert {value.data_type for value in half.graph.initializer} == {onnx.TensorProto.FLOAT16, onnx.TensorProto.INT64}
    sessions = [ort.InferenceSession(model.SerializeToString()) for model in (full, half)]
    shapes = [of_onnx(session.get_inputs()) | of_onnx(session.get_outputs()) for session in sessions]
    assert shapes[0] == shapes[1]
    feed = random_feed(sessions[0], ids=3, num_rows=200)
    p, p_half = (session.run(None, feed)[0] for session in sessions)
    assert 0 < np.abs(p - p_half).max() < 2e-3
