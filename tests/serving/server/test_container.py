"""The container packaging on real Triton: it answers like the embedded one, and a version calls its own graphs alone.

Its `onnxruntime` models are stood in for (`container_world`); TensorRT and NVIDIA's image are not tried here.
"""

import shutil
import threading
from collections import Counter
from pathlib import Path

import numpy as np
import onnx
import polars as pl
import pytest
import tritonclient.grpc as grpc
from onnx import numpy_helper

from serving.releases.store import Store
from serving.server.switch import switch
from stages.exporting.container import write_container
from stages.files import read_json, sha256_file, write_json
from stages.scoring.scorer import Scorer, score_split
from tests.serving.container_world import configs, with_stand_ins, write_stand_in
from tests.serving.doors import DOORS, ask_grpc, by_name, over_grpc, packed
from tests.serving.served_world import declaration_of, request_spec, section, serving
from tests.stages.declared_worlds import DECLARATIONS

pytestmark = pytest.mark.triton
ALLOWED = 1e-6
CONTAINER = Path("artifacts/repository/container")
BROKEN = {  # what is wrong -> tensors that are sent instead
    "a number that is none": lambda t: t | {"categorical": np.where(t["categorical"] == b"2", b"two", t["categorical"])},
    "a bound": lambda t: t | {"numeric": t["numeric"] - 500},
    "a tensor that is missing": lambda t: {"categorical": t["categorical"]},
    "a column too few": lambda t: t | {"numeric": t["numeric"][:, :0]},
    "a text that is no image": lambda t: t | {"creative_image": np.full((len(t["numeric"]), 1), b"GIF89a", dtype=object)},
    "an image cut short": lambda t: t | {"creative_image": np.full((len(t["numeric"]), 1), b"\x89PNG\r\n\x1a\n", dtype=object)},
}


@pytest.fixture(scope="module")
def container(exported, tmp_path_factory):
    folder = tmp_path_factory.mktemp("container")
    with serving(folder, with_stand_ins(exported / CONTAINER, folder / "repository")) as running:
        yield running


@pytest.fixture(scope="module")
def rows(exported) -> pl.DataFrame:
    return pl.read_parquet(exported / "data/split/test.parquet")


def expected_of(world: Path) -> np.ndarray:
    p = score_split(world / "artifacts/export", world / "data/split/test.parquet")
    assert p.std() > 0.03
    return p


@pytest.mark.parametrize("door", DOORS)
def test_it_gives_the_probabilities_of_evaluation(container, exported, spec, rows, door):
    expected = expected_of(exported)
    for model, tensors in (("ctr", packed(rows, spec)), ("ctr_by_name", by_name(rows, spec))):
        reply = DOORS[door](container, tensors, model)
        assert reply.code == "OK", reply.error
        assert np.abs(reply.probability - expected).max() <= ALLOWED
        assert reply.version.tolist() == [1] * len(rows)


def test_an_image_of_an_unknown_creative_counts_and_one_of_a_known_creative_does_not(container, exported, spec, rows):
    rows = rows.filter(pl.col("ad") != "ad5")[:40]  # which never had one
    rows = rows.with_columns(ad=pl.when(pl.int_range(40) % 2 == 0).then(pl.lit("ad of tomorrow")).otherwise("ad"))
    image = (exported / "source/2024-01/ads/ad3.png").read_bytes()
    shown = pl.DataFrame({"creative_id": ["ad of tomorrow"], "image": [image]})
    scorer = Scorer(exported / "artifacts/export")
    expected, without = scorer.score(rows, shown, "ad"), scorer.score(rows)
    assert np.abs(expected - without)[::2].min() > 100 * ALLOWED
    reply = over_grpc(container, packed(rows, spec, [image] * 40))
    assert reply.code == "OK", reply.error
    assert np.abs(reply.probability - expected).max() <= ALLOWED


@pytest.mark.parametrize("wrong", BROKEN)
def test_it_refuses_in_the_same_words(container, server, spec, rows, wrong):
    tensors = BROKEN[wrong](packed(rows[:20], spec))
    reply = over_grpc(container, tensors)
    assert (reply.code, reply.error) == (lambda r: (r.code, r.error))(over_grpc(server, tensors))
    assert reply.code == "INVALID_ARGUMENT"
    assert len(reply.error) > 20


@pytest.mark.parametrize("name", DECLARATIONS)
def test_it_serves_what_the_declaration_has(exported_as, tmp_path, name):
    world = exported_as(name)
    spec, rows = request_spec(world), pl.read_parquet(world / "data/split/test.parquet")
    with serving(tmp_path, with_stand_ins(world / CONTAINER, tmp_path / "repository")) as running:
        for model, tensors in (("ctr", packed(rows, spec)), ("ctr_by_name", by_name(rows, spec))):
            reply = over_grpc(running, tensors, model)
            assert reply.code == "OK", reply.error
            assert np.abs(reply.probability - expected_of(world)).max() <= ALLOWED


def moved(exported: Path, folder: Path, by: float) -> Path:
    """The exported model with its logit moved, as a project folder with the container packaging alone."""
    for name in ("artifacts/export", "data/split"):
        shutil.copytree(exported / name, folder / name)
    ranker = folder / "artifacts/export/ranker.onnx"
    model = onnx.load(ranker)
    bias = next(node for node in reversed(model.graph.node) if node.op_type == "Gemm").input[2]
    constant = next(value for value in model.graph.initializer if value.name == bias)
    constant.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(constant) + np.float32(by), bias))
    onnx.save(model, ranker)
    manifest = ranker.with_name("manifest.json")
    described = read_json(manifest)
    write_json(manifest, described | {"files": described["files"] | {ranker.name: sha256_file(ranker)}})
    sample = pl.read_parquet(folder / "data/split/train.parquet", n_rows=1)
    config = section("serving", exported / "params.yaml").repository
    write_container(folder / CONTAINER, folder / "artifacts/export", declaration_of(exported), config, sample)
    return folder


@pytest.fixture(scope="module")
def three_worlds(exported, tmp_path_factory):
    folder = tmp_path_factory.mktemp("worlds")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(exported)  # the repository takes code along from there
        return [exported, *(moved(exported, folder / str(by), by) for by in (1, 2))]


def test_each_version_answers_with_its_own_graphs_while_versions_change(three_worlds, spec, rows, tmp_path):
    """Triton has one config for all versions of an ensemble; were it shared, version 1 would answer with graphs of 2."""
    rows = rows[:20]
    repositories = [with_stand_ins(w / CONTAINER, tmp_path / f"repository{i}") for i, w in enumerate(three_worlds)]
    expected = {i + 1: expected_of(world)[:20] for i, world in enumerate(three_worlds)}
    answers: Counter = Counter()
    with serving(tmp_path, repositories[0]) as running:
        store = Store(Path(running.config.store))
        assert [store.release(repository) for repository in (*repositories, repositories[0])] == [1, 2, 3, 1]
        ended, tensors = threading.Event(), packed(rows, spec)

        def ask() -> None:
            with grpc.InferenceServerClient(running.grpc_url) as client:
                while not ended.is_set():
                    reply = ask_grpc(client, tensors)
                    version = int(reply.version[0]) if reply.code == "OK" else reply.error
                    fits = version in expected and np.abs(reply.probability - expected[version]).max() <= ALLOWED
                    answers[version, fits] += 1

        askers = [threading.Thread(target=ask) for _ in range(2)]
        for asker in askers:
            asker.start()
        for version in (2, 3, 1):
            switch(store, running.admin, version)
        ended.set()
        for asker in askers:
            asker.join()
    assert {version for version, _ in answers} >= {1, 2}
    assert all(fits for _, fits in answers), answers


def test_a_graph_that_does_not_load_leaves_the_version_before(three_worlds, spec, rows, tmp_path):
    """As when TensorRT cannot build an engine."""
    repositories = [with_stand_ins(w / CONTAINER, tmp_path / f"repository{i}") for i, w in enumerate(three_worlds[:2])]
    write_stand_in(repositories[1] / "ranker/1", "raise RuntimeError('no engine')\n")
    with serving(tmp_path, repositories[0]) as running:
        store = Store(Path(running.config.store))
        with pytest.raises(ValueError, match="version 2 was refused, version 1 is still being served: .*no engine"):
            switch(store, running.admin, store.release(repositories[1]))
        reply = over_grpc(running, packed(rows, spec))
        assert reply.code == "OK", reply.error
        assert np.abs(reply.probability - expected_of(three_worlds[0])).max() <= ALLOWED
        assert set(reply.version.tolist()) == {1}
        assert store.active() == 1


def test_a_release_has_an_ensemble_of_its_own_that_names_its_version(exported, tmp_path):
    store = Store(tmp_path / "models")
    store.activate(store.release(exported / CONTAINER))
    shutil.copytree(exported / CONTAINER, tmp_path / "other")
    for path in (tmp_path / "other").glob("*/1/package.json"):
        path.write_text(path.read_text() + " ")  # another export of the same files
    store.activate(store.release(tmp_path / "other"))
    assert store.models(2) == ["ranker", "encoder", "ctr_graph_2", "creative_encoder", "ctr", "ctr_by_name"]
    found = configs(store.folder)
    for number in (1, 2):
        ensemble = found[f"ctr_graph_{number}"]
        assert ensemble.name == f"ctr_graph_{number}"
        assert [step.model_version for step in ensemble.ensemble_scheduling.step] == [number, number]
        assert list(ensemble.version_policy.specific.versions) == [number]
    assert list(found["ranker"].version_policy.specific.versions) == [1, 2]  # calls of version 1 may be under way
    assert list(found["ctr"].version_policy.specific.versions) == [2]
    assert store.retired(2) == ["ctr_graph_1"]
    assert store.retired(1, 2) == []
