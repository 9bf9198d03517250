"""The two models that the gate looks at, each as its export left it: repository, declaration, probabilities, training."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from contracts.dataset.declaration import Declaration
from contracts.files import sha256_file
from contracts.lifecycle.champion import CHAMPION as CHAMPION_DIR
from contracts.lifecycle.champion import EXPORT, POINTER, REPOSITORY, TIMING, is_promoted
from contracts.serving.releases import EXPORTED, EXPORTED_VERSION, identity
from contracts.serving.request import RequestSpec, request_of

CANDIDATE, CHAMPION = "candidate", "champion"
PUBLIC_VERSION = Path("ctr/1")  # of an exported repository


@dataclass(frozen=True, kw_only=True)
class GatedModel:
    """An exported model, ready to be served."""

    name: str  # candidate or champion
    repository: Path  # Triton's, embedded packaging
    declaration: Declaration
    used: frozenset[str]  # columns that the model looks at
    digest: str  # sha-256 of the export's manifest: two models with the same digest are the same
    served_as: str  # identity of the repository, so of model and serving settings
    training: dict[str, Any] | None  # what its training took; None if that was not kept

    @property
    def request(self) -> RequestSpec:
        return request_of(self.declaration)


def read_candidate(folder: Path = Path()) -> GatedModel:
    """The newest export. Raises ValueError if it is not there."""
    export = folder / "artifacts/export"
    if not (export / "manifest.json").is_file():
        raise ValueError(f"{export} holds no exported model; run `make repro` first")
    weights = folder / "artifacts/model/weights.safetensors"
    training = read_json_if_there(folder / "reports" / TIMING)
    if training is not None and not (weights.is_file() and training.get("weights") == sha256_file(weights)):
        training = None  # of another training, or not known of which
    return _read(CANDIDATE, export, folder / EXPORTED, training, "run `dvc repro export`")


def read_champion(folder: Path = CHAMPION_DIR) -> GatedModel | None:
    """The promoted model; None if none ever was. Raises ValueError if its files are not here."""
    if not is_promoted(folder):
        return None
    training, back = read_json_if_there(folder / TIMING), f"`dvc checkout --force {POINTER}` brings the champion back"
    return _read(CHAMPION, folder / EXPORT, folder / REPOSITORY / EXPORTED.name, training, back)


def _read(name: str, export: Path, repository: Path, training: dict[str, Any] | None, advice: str) -> GatedModel:
    digest, released = sha256_file(export / "manifest.json"), repository / PUBLIC_VERSION / "manifest.json"
    if not released.is_file() or sha256_file(released) != digest:
        raise ValueError(f"{repository} is not the repository of {export}; {advice}")
    return GatedModel(
        name=name,
        repository=repository,
        declaration=TypeAdapter(Declaration).validate_python(read_json(export / "declaration.json")),
        used=frozenset(column["name"] for column in read_json(export / "features.json")["inputs"]),
        digest=digest,
        served_as=identity(repository, EXPORTED_VERSION),
        training=training,
    )


def read_json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def read_json_if_there(path: Path) -> dict[str, Any] | None:
    return read_json(path) if path.is_file() else None
