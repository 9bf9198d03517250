"""A tiny encoded data set and params for tests of models and training, made in code."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from pydantic import TypeAdapter

from stages.models.config import ModelConfig, TrainConfig, TrainerConfig
from stages.models.encoded_arrays import BUCKET_SUFFIX, EncodedSpec, Number
from stages.models.list_fields import ListFields

CONF = Path(__file__).parents[2] / "conf"
NETWORK_NAMES = ("logistic", "deepfm", "dcnv2", "din", "finalmlp")


@dataclass(frozen=True, kw_only=True)
class World:
    num_ids: tuple[int, ...] = (12, 7, 30)
    num_dense: int = 2
    num_creatives: int = 9  # 0 for a data set without creatives
    image_size: int = 8
    num_rows: dict[str, int] | None = None
    numbers: tuple[Number, ...] = ()
    creative_field: int | None = None
    lists: tuple[ListFields, ...] = ()


def field_name(world: World, field: int) -> str:
    """As stage encode names it: the bucket of a number bears the name of its dense column."""
    dense = next((number.dense for number in world.numbers if number.field == field), None)
    return f"field{field}" if dense is None else f"dense{dense}{BUCKET_SUFFIX}"


def spec_of(world: World) -> EncodedSpec:
    return EncodedSpec(
        field_names=tuple(field_name(world, i) for i in range(len(world.num_ids))),
        num_ids=world.num_ids,
        dense_names=tuple(f"dense{i}" for i in range(world.num_dense)),
        numbers=world.numbers,
        has_creative=world.num_creatives > 0,
        creative_field=world.creative_field,
        num_creatives=world.num_creatives,
        image_size=world.image_size if world.num_creatives else 0,
        lists=world.lists,
    )


def write_encoded(folder: Path, world: World, seed: int = 5) -> None:
    """Write the arrays of `world` as the stage `encode` does; clicks depend on ids, dense columns and brightness."""
    rng = np.random.default_rng(seed)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "spec.json").write_text(json.dumps(spec_of(world).to_json()))
    brightness_C = rng.integers(0, 200, world.num_creatives + 1)
    if world.num_creatives:
        shape = (world.num_creatives + 1, 3, world.image_size, world.image_size)
        images = (rng.integers(0, 50, shape) + brightness_C[:, None, None, None]).astype(np.uint8)
        images[0] = 0
        np.save(folder / "creatives.npy", images)
    effects = [rng.normal(0, 0.8, num_ids) for num_ids in world.num_ids]
    for split, num_rows in (world.num_rows or {"train": 600, "val": 200, "test": 50}).items():
        target = folder / split
        target.mkdir(exist_ok=True)
        cat_idx = np.stack([rng.integers(0, num_ids, num_rows) for num_ids in world.num_ids], axis=1)
        dense = rng.normal(size=(num_rows, world.num_dense)).astype(np.float32)
        creative_idx = rng.integers(0, world.num_creatives + 1, num_rows)
        logit = sum(effect[cat_idx[:, i]] for i, effect in enumerate(effects)) + dense.sum(axis=1) * 0.5
        logit = logit + (brightness_C[creative_idx] - 100) / 60 - 1
        np.save(target / "cat_idx.npy", cat_idx.astype(np.int32))
        np.save(target / "num_feats.npy", dense)
        np.save(target / "label.npy", (rng.random(num_rows) < 1 / (1 + np.exp(-logit))).astype(np.uint8))
        if world.num_creatives:
            np.save(target / "creative_idx.npy", creative_idx.astype(np.int32))


def model_config(name: str = "deepfm", **changes: Any) -> ModelConfig:
    """The shipped config of network `name`, shrunk, with `changes`."""
    values = yaml.safe_load((CONF / f"model/{name}.yaml").read_text())
    small = {"embedding_dim": 4, "hidden_dims": [8, 6], "stream1_dims": [8, 8], "stream2_dims": [6, 4]}
    small |= {"gate_dims": [5], "creative_dim": 3, "creative_channels": [4, 5], "cross_rank": 2, "attention_dims": [5]}
    values |= {key: value for key, value in small.items() if key in values}
    return TypeAdapter(ModelConfig).validate_python(values | changes)


def train_values(**changes: Any) -> dict[str, Any]:
    """The shipped section `train`, shrunk to batches of 64 rows and 2 epochs, with `changes`."""
    values = yaml.safe_load((CONF / "train/default.yaml").read_text())
    small = {
        "seed": 3,
        "batch_size": 64,
        "min_steps_per_epoch": 1,
        "max_epochs": 2,
        "checkpoint_every_steps": 4,
        "log_every_steps": 3,
        "average_frac": 1.0,  # an epoch has as many steps as lie between two that are averaged
    }
    return values | small | changes


def train_config(**changes: Any) -> TrainConfig:
    return TypeAdapter(TrainConfig).validate_python(train_values(**changes))


def trainer_values(**changes: Any) -> dict[str, Any]:
    """The shipped section `trainer` for a CPU, on one thread."""
    return yaml.safe_load((CONF / "trainer/cpu.yaml").read_text()) | {"num_threads": 1} | changes


def trainer_config(**changes: Any) -> TrainerConfig:
    return TypeAdapter(TrainerConfig).validate_python(trainer_values(**changes))


def write_params(path: Path, model: dict[str, Any], train: dict[str, Any], trainer: dict[str, Any]) -> None:
    path.write_text(yaml.safe_dump({"model": model, "train": train, "trainer": trainer}))
