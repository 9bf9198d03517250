"""Stage train from a champion's weights: the same bytes every time, killed or not, and from scratch as if it were not there."""

import json
import shutil
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
from pydantic import TypeAdapter
from safetensors.numpy import load_file

from stages.models.config import TrainConfig
from stages.models.model_folder import load_model
from tests.models.encoded_world import (
    World,
    model_config,
    spec_of,
    train_config,
    train_values,
    trainer_values,
    write_encoded,
    write_params,
)
from tests.stages.test_train import outputs, run_stage
from tests.warm_start.inherited_world import ORIGIN, write_champion, write_encoder

NOW = ("c", "d", "a", "e")
BEFORE = ("a", "b", "c")
OTHERS = tuple(f"v{i}" for i in range(5)), tuple(f"w{i}" for i in range(28))
WORLD = World(num_ids=(6, 7, 30))
STILL = {"lr": 1e-9, "champion_max_epochs": 1, "weight_decay": 0.0, "embedding_weight_decay": 0.0}


def prepare(folder: Path, start: str = "champion", **changes: object) -> Path:
    write_encoded(folder / "data/encoded", WORLD)
    write_encoder(folder / "artifacts/encoder.onnx", (NOW, *OTHERS))
    old = spec_of(replace(WORLD, num_ids=(5, 7, 30)))
    write_champion(folder, "deepfm", old, (BEFORE, *OTHERS))
    settings = {"start": start, "champion_max_epochs": 2, **changes}
    write_params(folder / "params.yaml", asdict(model_config("deepfm")), train_values(**settings), trainer_values())
    return folder


@pytest.fixture(scope="module")
def runs(tmp_path_factory) -> dict[str, tuple[str, Path]]:
    root = tmp_path_factory.mktemp("started")
    folders = {
        "whole": prepare(root / "whole"),
        "again": prepare(root / "again"),
        "killed": prepare(root / "killed"),
        "still": prepare(root / "still", **STILL),
        "scratch": prepare(root / "scratch", start="scratch"),
        "scratch alone": prepare(root / "alone", start="scratch"),
    }
    shutil.rmtree(folders["scratch alone"] / "artifacts/inherited")
    plan = [(name, "never") for name in folders]
    plan.insert(2, ("killed", "step:7"))
    results = run_stage(*((folders[name], moment) for name, moment in plan))
    for (name, moment), (code, said) in zip(plan, results, strict=True):
        assert code == (0 if moment == "never" else -9), (name, said)
    return {name: (said, folders[name]) for (name, _), (_, said) in zip(plan, results, strict=True)}


def weights(runs: dict[str, tuple[str, Path]], name: str) -> bytes:
    return (runs[name][1] / "artifacts/model/weights.safetensors").read_bytes()


def test_equal_inputs_give_equal_bytes_and_so_does_a_killed_training(runs):
    whole = outputs(runs["whole"][1])
    assert outputs(runs["again"][1]) == whole and outputs(runs["killed"][1]) == whole
    assert "train: resuming at step 4 of at most 20" in runs["killed"][0]


def test_training_starts_at_the_champions_weights(runs):
    """At a rate of nothing the weights that come out are those that went in, rows by value."""
    folder = runs["still"][1]
    before, after = (load_file(folder / place / "weights.safetensors") for place in ("artifacts/inherited", "artifacts/model"))
    after = {name.replace("ranker.network.", "ranker."): tensor for name, tensor in after.items()}
    rows = [0, 1, 4, 0, 2, 0, *range(5, 42)]
    table = "ranker.embedding.table.weight"
    np.testing.assert_allclose(after[table], before[table][rows], atol=1e-5)
    np.testing.assert_allclose(after["ranker.deep.0.weight"], before["ranker.deep.0.weight"], atol=1e-5)


def test_from_scratch_nothing_of_the_champion_is_looked_at(runs):
    assert weights(runs, "scratch") == weights(runs, "scratch alone") != weights(runs, "whole")
    described = json.loads((runs["scratch"][1] / "artifacts/model/model.json").read_text())
    assert "started_from" not in described


def test_the_model_says_what_it_was_started_from_and_what_was_carried_over(runs):
    said, folder = runs["whole"]
    assert "train: from champion ffffffffffff: " in said and "2 new ones as its unknown, 1 of its ids are gone" in said
    described = json.loads((folder / "artifacts/model/model.json").read_text())
    assert described["started_from"] == asdict(ORIGIN)
    metrics = json.loads((folder / "reports/train/metrics.json").read_text())
    assert metrics["carried_over"][0] == {"name": "field0", "kept": 2, "new": 2, "gone": 1}
    assert load_model(folder / "artifacts/model").spec.num_ids == (6, 7, 30)


def test_a_start_has_its_own_rate_and_epochs():
    scratch, champion = (
        train_config(start=start, champion_lr_frac=0.5, champion_max_epochs=1) for start in ("scratch", "champion")
    )
    assert scratch.in_force() is scratch
    assert (champion.in_force().lr, champion.in_force().max_epochs) == (champion.lr / 2, 1)
    with pytest.raises(ValueError, match="'scratch' or 'champion'"):
        TypeAdapter(TrainConfig).validate_python(train_values(start="warm"))
