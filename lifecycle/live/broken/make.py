"""A copy of an exported repository whose graph was operated on: a release like any other, which is wrong in one way."""

import json
import shutil
from pathlib import Path

import onnx

from contracts.files import sha256_file, write_whole
from contracts.lifecycle.live import DrillConfig
from contracts.serving.releases import EXPORT_MANIFEST, EXPORTED_VERSION, MANIFEST, PUBLIC
from lifecycle.live.broken.fields import FEATURES, REQUEST, Fields
from lifecycle.live.broken.surgery import Affected, Surgery, other_ids, scaled_odds, slow

GRAPH = "ctr_packed.onnx"
CAREFUL = "ctr_careful"  # has request.json beside the native model


def make_broken(repository: Path, folder: Path, drill: DrillConfig, values: tuple[str, ...]) -> Path:
    """`folder`, a repository as stage export writes it; the same arguments give the same bytes.

    `values` of the drill's column that are affected. Raises ValueError if the model cannot be broken in this way.
    """
    if not (repository / PUBLIC / EXPORTED_VERSION / GRAPH).is_file():
        raise ValueError(f"{repository}/{PUBLIC} has no {GRAPH}, so there is nothing to break; it is made by `make repro`")
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(repository, folder, copy_function=shutil.copyfile)
    affected = Affected(column=drill.column, values=values)
    for path in sorted(folder.glob(f"*/{EXPORTED_VERSION}/{GRAPH}")):
        model = onnx.load(path)
        fields = Fields.read(model, path.parent / FEATURES, _request(folder))
        surgery_of(drill)(model, fields, affected)
        onnx.checker.check_model(model)
        write_whole(path, model.SerializeToString(deterministic=True))
        _note(path.parent, drill)
        _list_again(path.parent)
    return folder


def surgery_of(drill: DrillConfig) -> Surgery:
    """What is done to the graph."""
    match drill.kind:
        case "scaled_odds":
            return scaled_odds(drill.size)
        case "other_ids":
            return other_ids(round(drill.size))
        case "slow":
            return slow(round(drill.size))


def _request(folder: Path) -> Path:
    """What the served model knows of a request's columns: the native one has it in other words."""
    for name in (CAREFUL, PUBLIC):
        if (path := folder / name / EXPORTED_VERSION / REQUEST).is_file():
            return path
    raise ValueError(f"{folder} has no {REQUEST}, by which a request's columns are known")


def _note(version: Path, drill: DrillConfig) -> None:
    """In the export's manifest, whose digest names a model: it is another model than the one that it was made from."""
    path = version / EXPORT_MANIFEST
    content = json.loads(path.read_bytes()) | {"broken_on_purpose": drill.name}
    write_whole(path, json.dumps(content, indent=2, sort_keys=True).encode())


def _list_again(version: Path) -> None:
    package = json.loads((version / MANIFEST).read_bytes())
    package["files"] |= {name: sha256_file(version / name) for name in (GRAPH, EXPORT_MANIFEST)}
    write_whole(version / MANIFEST, json.dumps(package, indent=1, sort_keys=True).encode())
