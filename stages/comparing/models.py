"""The two models that are compared, each as its export left it: graphs, declaration, and what its training rows were like.

The champion's files lie where contracts/lifecycle/champion.py says.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from contracts.dataset.declaration import Declaration
from contracts.lifecycle.champion import CHAMPION, EXPORT, is_promoted
from stages.files import read_json, sha256_file
from stages.scoring.scorer import check_export

EXPORT_DIR = Path("artifacts/export")
PROFILE_PATH = Path("artifacts/reference_profile.json")
SPLIT_PATH, EVALUATION_PATH = Path("reports/split.json"), Path("reports/evaluation.json")
PROFILE, SPLIT, EVALUATION, PROMOTION = "reference_profile.json", "split.json", "evaluation.json", "promotion.json"


@dataclass(frozen=True, kw_only=True)
class ExportedModel:
    """An exported model and what was known when it was made."""

    export: Path  # folder of its graphs
    declaration: Declaration  # of the rows that it was trained on
    profile: dict[str, Any]  # how each column was distributed there
    splits: dict[str, Any]  # how many rows from when to when
    evaluation: dict[str, Any]  # what it was worth on the test rows of its own time
    digest: str  # sha-256 of the export's manifest: two models with the same digest are the same


def read_candidate() -> ExportedModel:
    """The newest export. Raises ValueError if its files are missing or not those that were exported."""
    check_export(EXPORT_DIR)
    missing = next((path for path in (PROFILE_PATH, SPLIT_PATH, EVALUATION_PATH) if not path.is_file()), None)
    if missing is not None:
        raise ValueError(f"{missing} is missing; `dvc repro compare` runs all that is needed")
    return _read(EXPORT_DIR, PROFILE_PATH, SPLIT_PATH, EVALUATION_PATH)


def read_champion(folder: Path = CHAMPION) -> ExportedModel | None:
    """The promoted model; None if none ever was. Raises ValueError if its files are not here, or are others."""
    if not is_promoted(folder):
        return None
    for name in (PROFILE, SPLIT, EVALUATION, PROMOTION):
        if not (folder / name).is_file():
            raise ValueError(f"{folder / name} is missing; `dvc checkout --force {folder}.dvc` brings the champion back")
    return _read(folder / EXPORT, folder / PROFILE, folder / SPLIT, folder / EVALUATION)


def _read(export: Path, profile: Path, split: Path, evaluation: Path) -> ExportedModel:
    check_export(export)
    return ExportedModel(
        export=export,
        declaration=TypeAdapter(Declaration).validate_python(read_json(export / "declaration.json")),
        profile=read_json(profile),
        splits=read_json(split),
        evaluation=read_json(evaluation),
        digest=sha256_file(export / "manifest.json"),
    )
