"""The exported model as a Triton model repository, ready to be released: configs, code, graphs, warm-up requests.

Every version folder is complete in itself, and its `package.json` lists the sha-256 of each file in it.
"""

import hashlib
import shutil
import struct
from collections.abc import Iterable
from dataclasses import asdict
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import polars as pl
from onnx import numpy_helper
from PIL import Image
from tritonclient.grpc.model_config_pb2 import ModelConfig

from contracts.dataset.declaration import Declaration
from contracts.serving.config import RepositoryConfig
from contracts.serving.journal import SCHEMA
from contracts.serving.request import CATEGORICAL, NUMERIC, RequestSpec, column_rules, numbers, request_of, strings
from stages.exporting.journal import journal_schema, schema_file
from stages.exporting.model_config import LABELS, Warmups, as_text, creative_encoder_config, ctr_by_name_config, ctr_config
from stages.exporting.native import BACKEND, CAREFUL, SETTINGS, native_settings
from stages.files import read_json, sha256_file, write_json

VERSION = "1"  # in the exported repository; a release gets the next free number of its store
CODE = (
    "contracts/__init__.py",
    "contracts/clock.py",
    "contracts/files.py",
    "contracts/local_libraries.py",
    "contracts/serving/__init__.py",
    "contracts/serving/fuse.py",
    "contracts/serving/list_cells.py",
    "contracts/serving/packed_text.py",
    "contracts/serving/route.py",
    "contracts/tables/__init__.py",
    "contracts/tables/images.py",
    "contracts/tables/spellings.py",
    "serving/__init__.py",
    "serving/triton",
    "serving/triton/journal",
    "serving/triton/routing",
    "serving/triton/routing/shadow",
)
PROVENANCE = ("manifest.json", "declaration.json", "features.json")
PROFILE = "profile.json"  # of the training rows: what a release is watched by, beside `ctr` alone; no model reads it
LIMITS = ("max_request_bytes", "max_string_bytes", "max_image_bytes", "max_image_pixels")


def write_repository(
    folder: Path, export_dir: Path, declaration: Declaration, config: RepositoryConfig, sample: pl.DataFrame
) -> None:
    """Write the embedded packaging to `folder`. `sample` is a clean row for the warm-up requests."""
    request = request_of(declaration)
    settings = request_settings(export_dir, request, config)
    warmups = _request_warmup(request, sample)
    named, graph = {"row": _named(warmups)}, export_dir / "ctr_packed.onnx"
    files = [graph, *(export_dir / name for name in PROVENANCE)]
    public = [*files, export_dir / PROFILE]
    if config.native:
        native = ctr_config(request, config, named, backend=BACKEND)
        contents = {SETTINGS: native_settings(settings, onnx.load(graph), native), SCHEMA: schema_file(settings)}
        write_model(folder, native, files=public, warmups=warmups, contents=contents)
    python = ctr_config(request, config, named, CAREFUL if config.native else "ctr")
    write_model(folder, python, settings, files if config.native else public, warmups, code="ctr")
    write_companions(folder, export_dir, request, config, settings)


def write_companions(
    folder: Path, export_dir: Path, request: RequestSpec, config: RepositoryConfig, settings: dict[str, Any]
) -> None:
    """What stands beside `ctr` in both packagings: `ctr_by_name` and, if the model looks at images, `creative_encoder`."""
    write_model(folder, ctr_by_name_config(request, config), settings)
    if settings["no_image"] is not None:
        warmups = {"image": ((1,), _packed_strings([_grey_png()]))}
        write_model(
            folder,
            creative_encoder_config(config, {"image": _named(warmups)}),
            settings,
            [export_dir / "creative_encoder.onnx"],
            warmups,
        )


def request_settings(export_dir: Path, request: RequestSpec, config: RepositoryConfig) -> dict[str, Any]:
    """`request.json`: what the served models know of the declaration, the encoder and the limits."""
    features = read_json(export_dir / "features.json")
    used = {entry["name"] for entry in features["inputs"]}
    fields = [entry["name"] for entry in features["categorical"]]
    place = {name: i for i, name in enumerate(fields)}
    numeric = {f"{column.name}__bucket": column.name for column in (*request.numeric, *request.computed)}
    settings = {
        "declaration": request.digest,
        CATEGORICAL: [
            column_rules(c, c.name in used, place.get(c.name), None if code == number else code)
            for number, (c, code) in enumerate(zip(request.categorical, request.codes, strict=True))
        ],
        NUMERIC: [column_rules(c, c.name in used, None) for c in request.numeric],
        "fields": [numeric.get(name, name) for name in fields],
        "entity": next((column.name for column in request.categorical if column.role == "entity"), None),
        "no_image": no_image_embedding(export_dir / "ranker.onnx"),
        "image_size": features["image_size"],
        "limits": {name: value for name, value in asdict(config).items() if name in LIMITS},
        "ort_threads": config.ort_threads,
        "metrics_interval_s": config.metrics_interval_s,
        "max_queue_size": config.max_queue_size,
    }
    return settings | {"journal": journal_schema(settings)}


def no_image_embedding(ranker: Path) -> list[float] | None:
    """The embedding [E] that stands for no image; None if the model looks at no images."""
    found = [value for value in onnx.load(ranker).graph.initializer if value.name == "creative_emb"]
    return numpy_helper.to_array(found[0])[0].astype(float).tolist() if found else None


def write_model(
    folder: Path,
    config: ModelConfig,
    settings: dict[str, Any] | None = None,
    files: Iterable[Path] = (),
    warmups: dict[str, tuple[tuple[int, ...], bytes]] | None = None,
    contents: dict[str, bytes] | None = None,
    code: str | None = None,
) -> None:
    """One model of the repository: `config.pbtxt`, labels, warm-up data, and its version folder.

    The version folder gets `files` and `contents` (name -> bytes); `settings` are for Python models, `code` is their module
    in serving.triton if it is not called as the model.
    """
    version = folder / config.name / VERSION
    version.mkdir(parents=True)
    (version.parent / "config.pbtxt").write_text(as_text(config))
    if any(output.label_filename for output in config.output):
        (version.parent / LABELS).write_text("click\n")
    for name, (_, content) in (warmups or {}).items():
        (version.parent / "warmup").mkdir(exist_ok=True)
        (version.parent / "warmup" / _warmup_file(name, content)).write_bytes(content)
    for path in files:
        shutil.copyfile(path, version / path.name)
    for name, content in (contents or {}).items():
        (version / name).write_bytes(content)
    if config.backend == "python":
        _write_code(code or config.name, version)
        write_json(version / "request.json", settings)
    for extra in sorted(p for p in version.parent.rglob("*") if p.is_file() and version not in p.parents):
        kept = version / "release" / extra.relative_to(version.parent)
        kept.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(extra, kept)
    inside = sorted(path for path in version.rglob("*") if path.is_file())
    write_json(version / "package.json", {"files": {p.relative_to(version).as_posix(): sha256_file(p) for p in inside}})


def _write_code(name: str, version: Path) -> None:
    for source in map(Path, CODE):
        for path in sorted(source.glob("*.py")) if source.is_dir() else [source]:
            (version / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, version / path)
    (version / "model.py").write_text(
        f'"""Triton loads this file; the model is serving/triton/{name}.py."""\n\n'
        f"from serving.triton.{name} import TritonPythonModel\n\n"
        '__all__ = ["TritonPythonModel"]\n'
    )


def _request_warmup(request: RequestSpec, sample: pl.DataFrame) -> dict[str, tuple[tuple[int, ...], bytes]]:
    """Dims and bytes, as Triton wants them, of a request of one row."""
    found = {}
    if request.categorical:
        values = [strings(sample[c.name])[0].encode() for c in request.categorical]
        found[CATEGORICAL] = ((len(values),), _packed_strings(values))
    if request.numeric:
        floats = np.array([numbers(sample[c.name])[0] for c in request.numeric], dtype="<f4")
        found[NUMERIC] = ((len(floats),), floats.tobytes())
    return found


def _packed_strings(values: list[bytes]) -> bytes:
    """Triton's BYTES: each value behind its length, 4 bytes, little-endian."""
    return b"".join(struct.pack("<I", len(value)) + value for value in values)


def _grey_png() -> bytes:
    buffer = BytesIO()
    Image.new("RGB", (8, 8), (128, 128, 128)).save(buffer, "PNG")
    return buffer.getvalue()


def _named(warmups: dict[str, tuple[tuple[int, ...], bytes]]) -> Warmups:
    return {name: (_warmup_file(name, content), dims) for name, (dims, content) in warmups.items()}


def _warmup_file(name: str, content: bytes) -> str:
    """A name that no other content has, so that releases can share the folder `warmup`."""
    return f"{name}-{hashlib.sha256(content).hexdigest()[:12]}"
