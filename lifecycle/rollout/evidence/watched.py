"""Which columns of the journal a rollout looks at: the user, the creative, and the slices that are watched."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

from pydantic import TypeAdapter

from contracts.dataset.columns import COLD_START
from contracts.dataset.declaration import Declaration
from contracts.serving.releases import PUBLIC
from lifecycle.monitor.quality.labelled import QualityColumns, quality_columns
from serving.triton.package import read_json

DECLARATION, FEATURES = "declaration.json", "features.json"  # of a release
FEW_VALUES, MOST_COLUMNS = 24, 4  # of slices that nobody has named, as in the evaluation's default
RESERVED_IDS = 2  # unknown and missing


def watched_columns(store: Path, release: int, slices: Sequence[str] | Literal["auto"]) -> QualityColumns:
    """By the declaration of a release; auto: its first categorical columns of which it knows few values."""
    folder = store / PUBLIC / str(release)
    declaration = TypeAdapter(Declaration).validate_json((folder / DECLARATION).read_bytes())
    named = _of_few_values(folder, declaration) if slices == "auto" else slices
    found = quality_columns(declaration, named)
    return found if COLD_START in named else replace(found, creative_id=None)


def _of_few_values(folder: Path, declaration: Declaration) -> list[str]:
    fields = read_json(folder / FEATURES)["categorical"]
    values = {field["name"]: field["num_ids"] - field.get("hashed", 0) - RESERVED_IDS for field in fields}
    columns = [column for column in declaration.columns if column.slot_of is None and not column.made_of]
    named = [column.name for column in columns if column.role == "categorical"]
    return [*[name for name in named if 2 <= values.get(name, 0) <= FEW_VALUES][:MOST_COLUMNS], COLD_START]
