"""Small models to compare: rows of three months with users, sites, prices and images, and a logistic regression that learns from
them in a moment, exported as the project exports its networks.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import polars as pl
import yaml
from onnx import TensorProto, compose, helper, numpy_helper
from PIL import Image
from scipy import sparse
from sklearn.linear_model import SGDClassifier

from stages import encode, fit
from stages.exporting.graphs import _creative_lookup, finish
from stages.features.graph import BATCH, IR_VERSION, OPSET
from stages.files import sha256_file, write_json
from stages.models.encoded_arrays import EncodedSpec, EncodedSplit, load_creatives, load_spec, load_split
from stages.models.penalised_logistic import one_hot
from stages.parquet import write_parquet
from tests.stages.pipeline_world import composed

NUM_SITES, NUM_REGIONS, NUM_USERS, NUM_ADS, IMAGE = 25, 6, 400, 40, 8
SIZES = {"train": 12_000, "val": 2_000, "test": 8_000}
FIRST_DAY = {"train": "2026-01-01", "val": "2026-02-22", "test": "2026-03-01"}
DAYS = {"train": 52, "val": 7, "test": 31}
COLUMNS = [
    {"name": "id", "role": "key", "dtype": "int"},
    {"name": "t", "role": "time", "dtype": "datetime"},
    {"name": "site", "role": "categorical", "dtype": "string", "keep": True},
    {"name": "region", "role": "categorical", "dtype": "string", "keep": True},
    {"name": "device", "role": "categorical", "dtype": "string", "keep": True},
    {"name": "hour", "role": "categorical", "dtype": "int", "keep": True},
    {"name": "user", "role": "entity", "dtype": "string", "feature": False},
    {"name": "ad", "role": "creative", "dtype": "string", "feature": False},
    {"name": "age", "role": "numeric", "dtype": "float", "nullable": True, "keep": True},
    {"name": "price", "role": "numeric", "dtype": "float", "log": True, "keep": True},
    {"name": "y", "role": "label", "dtype": "int"},
]
NEW_COLUMN = {"name": "seconds", "role": "numeric", "dtype": "float", "nullable": True, "keep": True}


@dataclass(frozen=True, kw_only=True)
class World:
    """The rows of the three splits, the images of the ads, and what is declared."""

    splits: dict[str, pl.DataFrame]
    images: dict[str, bytes]
    columns: list[dict[str, Any]] = field(default_factory=lambda: COLUMNS)
    dropped: tuple[str, ...] = ()  # columns that the encoder is made without

    def with_training(self, change: Callable[[pl.DataFrame], pl.DataFrame]) -> World:
        """The same with changed rows in train and val: what went wrong when a candidate's training rows were made."""
        return replace(self, splits={**self.splits, **{name: change(self.splits[name]) for name in ("train", "val")}})


@cache
def world(year: int = 2026, taste: int = 0) -> World:
    """Rows whose clicks follow site, region, device, hour, age, price and the image's brightness. `taste` draws other effects."""
    effects = np.random.default_rng([7, taste])
    site, region = effects.normal(0, 0.9, NUM_SITES), effects.normal(0, 0.6, NUM_REGIONS)
    brightness = np.random.default_rng(3).uniform(0, 1, NUM_ADS)
    splits = {}
    for place, (name, size) in enumerate(SIZES.items()):
        rng = np.random.default_rng([11, taste, year, place])
        known = NUM_ADS if name == "test" else NUM_ADS // 2  # half of the ads are new in the test rows
        drawn = {
            "site": (NUM_SITES * rng.random(size) ** 1.6).astype(int),
            "region": rng.integers(0, NUM_REGIONS, size),
            "device": rng.choice(4, size, p=[0.5, 0.3, 0.15, 0.05]),
            "hour": rng.integers(0, 24, size),
            "user": (NUM_USERS * rng.random(size) ** 1.5).astype(int),
            "ad": rng.integers(0, known, size),
            "age": rng.uniform(18, 80, size).round(1),
            "price": rng.lognormal(0, 0.8, size).round(4),
        }
        logit = -0.8 + site[drawn["site"]] + region[drawn["region"]] + np.array([0.5, 0, -0.5, 0.3])[drawn["device"]]
        logit += 0.5 * np.sin(drawn["hour"] / 24 * 2 * np.pi) - (drawn["age"] - 49) / 25 + 0.6 * np.log(drawn["price"])
        logit += 2.5 * (brightness[drawn["ad"]] - 0.5)
        splits[name] = _frame(name, size, drawn, rng.random(size) < 1 / (1 + np.exp(-logit)), year, rng)
    images = {f"ad{i:02d}": _png(int(255 * value)) for i, value in enumerate(brightness)}
    return World(splits=splits, images=images)


def _frame(
    name: str, size: int, drawn: dict[str, np.ndarray], y: np.ndarray, year: int, rng: np.random.Generator
) -> pl.DataFrame:
    start = np.datetime64(FIRST_DAY[name].replace("2026", str(year)), "us")
    seconds = np.sort(rng.integers(0, DAYS[name] * 86400, size))
    age = pl.Series(drawn["age"]).scatter(np.flatnonzero(rng.random(size) < 0.05), None)
    texts = {"site": "site{:02d}", "region": "region{}", "device": "device{}", "user": "u{:03d}", "ad": "ad{:02d}"}
    columns = {key: [form.format(value) for value in drawn[key]] for key, form in texts.items()}
    columns |= {"id": np.arange(size), "hour": drawn["hour"], "age": age, "price": drawn["price"], "y": y.astype(np.int64)}
    t = pl.Series(start + seconds.astype("timedelta64[s]")).dt.replace_time_zone("UTC")
    return pl.DataFrame({**columns, "t": t}).select(column["name"] for column in COLUMNS)


def _png(level: int) -> bytes:
    buffer = BytesIO()
    Image.new("RGB", (IMAGE, IMAGE), (level, level // 2, 255 - level)).save(buffer, "PNG")
    return buffer.getvalue()


def params_of(columns: list[dict[str, Any]]) -> dict[str, Any]:
    params = composed("seed=3", f"features.image_size={IMAGE}", "features.selection.num_shuffles=10")
    params["data"] = {
        "name": "small",
        "source": {"kind": "files", "path": "source", "files": ["*/rows.csv"]},
        "images": {"files": "*/ads/*.png", "missing": "allow"},
        "split": {"by": "time", "val_frac": 0.2, "test_months": 1},
        "columns": columns,
    }
    params["evaluate"]["slices"] = ["site", "device", "cold_start"]
    params["compare"] |= {"watch": ["site", "device"], "sampled_rows": 4000, "num_resamples": 200}
    return params


@contextmanager
def inside(folder: Path) -> Iterator[None]:
    before = Path.cwd()
    folder.mkdir(parents=True, exist_ok=True)
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


def make_model(folder: Path, made: World, seed: int = 0, learn: Callable[[int], None] | None = None) -> Path:
    """A project folder as the stages up to `evaluate` leave it, as far as `compare` reads it."""
    with inside(folder):
        params = params_of(made.columns)
        Path("params.yaml").write_text(yaml.safe_dump(params))
        names = [column["name"] for column in made.columns]
        for name, rows in made.splits.items():
            write_parquet(Path(f"data/split/{name}.parquet"), rows.select(names))
        write_json(Path("reports/split.json"), {name: _counts(rows) for name, rows in made.splits.items()})
        write_json(Path("reports/evaluation.json"), {})
        images = pl.DataFrame({"creative_id": list(made.images), "image": list(made.images.values())})
        write_parquet(Path("data/clean/2026-01/creatives.parquet"), images)
        _fit_without(made.dropped)
        encode.main()
        (learn or learn_logistic)(seed)
        write_manifest(params)
    return folder


def _counts(rows: pl.DataFrame) -> dict[str, Any]:
    times = {"from": rows["t"].min().isoformat(), "to": rows["t"].max().isoformat()}
    return {"rows": len(rows), "clicks": int(rows["y"].sum()), **times}


def _fit_without(dropped: tuple[str, ...]) -> None:
    select = fit.select
    fit.select = lambda *given: [replace(one, kept=False) if one.name in dropped else one for one in select(*given)]
    try:
        fit.main()
    finally:
        fit.select = select


def write_manifest(params: dict[str, Any]) -> None:
    export = Path("artifacts/export")
    shutil.copyfile("artifacts/encoder.onnx", export / "encoder.onnx")
    shutil.copyfile("artifacts/features.json", export / "features.json")
    write_json(export / "declaration.json", params["data"])
    write_json(export / "manifest.json", {"files": {path.name: sha256_file(path) for path in sorted(export.iterdir())}})


def learn_logistic(seed: int) -> None:
    """Fit on data/encoded by stochastic gradient descent, whose order the seed decides; write ranker and creative encoder."""
    spec, folder = load_spec(Path("data/encoded")), Path("data/encoded")
    train = load_split(folder, "train", spec)
    looks = load_creatives(folder, spec).mean(axis=(2, 3)) / 255
    model = SGDClassifier(loss="log_loss", alpha=2e-5, max_iter=12, tol=None, average=True, random_state=seed, eta0=0.1,
                          learning_rate="invscaling", power_t=0.3)  # fmt: skip
    model.fit(features_of(train, spec, looks), train.label_N)
    weights = model.coef_[0].astype(np.float32)
    export = Path("artifacts/export")
    export.mkdir(parents=True, exist_ok=True)
    ranker = ranker_of(spec, weights, float(model.intercept_[0]), looks.astype(np.float32))
    (export / "ranker.onnx").write_bytes(ranker.SerializeToString(deterministic=True))
    (export / "creative_encoder.onnx").write_bytes(mean_colour().SerializeToString(deterministic=True))


def features_of(split: EncodedSplit, spec: EncodedSpec, looks: np.ndarray) -> sparse.csr_matrix:
    """One-hot ids, dense columns, and the image's mean colour."""
    return sparse.hstack([one_hot(split, spec), sparse.csr_matrix(looks[split.creative_idx_N])]).tocsr()


def ranker_of(spec: EncodedSpec, weights: np.ndarray, intercept: float, looks_C3: np.ndarray) -> onnx.ModelProto:
    """The regression as `ranker.onnx` is: cat_idx, num_feats, creative_idx, creative_emb -> p_click."""
    num_ids, num_dense = sum(spec.num_ids), len(spec.dense_names)
    offsets = np.concatenate([[0], np.cumsum(spec.num_ids)[:-1]]).astype(np.int64)
    constants = {
        "offsets": offsets,
        "id_weights": weights[:num_ids],
        "dense_weights": weights[num_ids : num_ids + num_dense, None],
        "look_weights": weights[num_ids + num_dense :, None],
        "intercept": np.array([intercept], dtype=np.float32),
        "one": np.array([1], dtype=np.int64),
    }
    nodes = [
        helper.make_node("Add", ["cat_idx", "offsets"], ["places"]),
        helper.make_node("Gather", ["id_weights", "places"], ["of_ids"]),
        helper.make_node("ReduceSum", ["of_ids", "one"], ["sum_ids"], keepdims=0),
        helper.make_node("MatMul", ["num_feats", "dense_weights"], ["of_dense"]),
        helper.make_node("Squeeze", ["of_dense", "one"], ["sum_dense"]),
        helper.make_node("MatMul", ["creative_vector", "look_weights"], ["of_looks"]),
        helper.make_node("Squeeze", ["of_looks", "one"], ["sum_looks"]),
        helper.make_node("Sum", ["sum_ids", "sum_dense", "sum_looks", "intercept"], ["logit"]),
        helper.make_node("Sigmoid", ["logit"], ["p_click"]),
    ]
    inputs = [
        helper.make_tensor_value_info("cat_idx", TensorProto.INT64, [BATCH, len(spec.num_ids)]),
        helper.make_tensor_value_info("num_feats", TensorProto.FLOAT, [BATCH, num_dense]),
        helper.make_tensor_value_info("creative_vector", TensorProto.FLOAT, [BATCH, looks_C3.shape[1]]),
    ]
    core = _graph(nodes, "ranker", inputs, helper.make_tensor_value_info("p_click", TensorProto.FLOAT, [BATCH]), constants)
    merged = compose.merge_models(_creative_lookup(looks_C3), core, io_map=[("creative_vector_out", "creative_vector")])
    return finish(merged, "ranker")


def mean_colour() -> onnx.ModelProto:
    """creative_pixels uint8 [B, 3, S, S] -> creative_emb float32 [B, 3]."""
    nodes = [
        helper.make_node("Cast", ["creative_pixels"], ["pixels"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["pixels", "axes"], ["means"], keepdims=0),
        helper.make_node("Div", ["means", "white"], ["creative_emb"]),
    ]
    constants = {"axes": np.array([2, 3], dtype=np.int64), "white": np.array([255], dtype=np.float32)}
    inputs = [helper.make_tensor_value_info("creative_pixels", TensorProto.UINT8, [BATCH, 3, IMAGE, IMAGE])]
    return _graph(nodes, "look", inputs, helper.make_tensor_value_info("creative_emb", TensorProto.FLOAT, [BATCH, 3]), constants)


def _graph(nodes: list, name: str, inputs: list, output: Any, constants: dict[str, np.ndarray]) -> onnx.ModelProto:
    tensors = [numpy_helper.from_array(np.ascontiguousarray(value), key) for key, value in constants.items()]
    graph = helper.make_graph(nodes, name, inputs, [output], initializer=tensors)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)


def crown(champion: Path, candidate: Path) -> None:
    """Put the model of one project folder into another as its champion, as a promotion would."""
    target = candidate / "champion/model"
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(champion / "artifacts/export", target / "export")
    for source, name in (("artifacts/reference_profile.json", "reference_profile.json"), ("reports/split.json", "split.json")):
        shutil.copyfile(champion / source, target / name)
    for name in ("evaluation.json", "promotion.json"):
        (target / name).write_text("{}")
