"""The champion: which model it is, and the command that makes another model it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from contracts.lifecycle.champion import CHAMPION, REPOSITORY, is_promoted
from contracts.serving.releases import EXPORTED, EXPORTED_VERSION, identity, model_of
from lifecycle.deploy.commands import exit_code

PIPELINE_PYTHON = Path(".venv/bin/python")


@dataclass(frozen=True, kw_only=True)
class Exported:
    """A model as it is to be served, or was."""

    model: str | None  # sha-256 of its export's manifest.json; None if the repository does not say it
    release: str  # identity of the repository: the same model may be served with other settings


def exported_model(repository: Path, version: str = EXPORTED_VERSION) -> Exported:
    """A version of a repository, or of the store."""
    return Exported(model=model_of(repository, version), release=identity(repository, version))


def read_champion() -> Exported | None:
    """None if no model was ever promoted. Raises ValueError if one was, and its files are not here."""
    return exported_model(CHAMPION / REPOSITORY / EXPORTED.name) if is_promoted() else None


def promote(arguments: Sequence[str] = ()) -> bool:
    """Run `make promote`'s command, which prints what it did or why not. Returns whether it worked."""
    if not PIPELINE_PYTHON.is_file():
        return False
    return exit_code([str(PIPELINE_PYTHON), "-m", "stages.promote", *arguments]) == 0
