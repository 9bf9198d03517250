"""The champion: which model it is, and the command that makes another model it."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

from contracts.serving.releases import EXPORTED_VERSION, identity
from lifecycle.deploy.commands import exit_code

CHAMPION = Path("champion/model")
MANIFEST = CHAMPION / "export/manifest.json"
PIPELINE_PYTHON = Path(".venv/bin/python")


def champion_model() -> str | None:
    """sha-256 of the manifest of the champion's export; None if no model was ever promoted.

    Raises ValueError if one was, and its files are not here.
    """
    pointer = CHAMPION.with_suffix(".dvc")
    if MANIFEST.is_file():
        return hashlib.sha256(MANIFEST.read_bytes()).hexdigest()
    if pointer.is_file() or CHAMPION.exists():
        raise ValueError(f"{MANIFEST} is not here; `dvc pull {pointer}` brings the champion from the DVC remote")
    return None


def champion_repository(packaging: str) -> str:
    """What the champion's repository is known by: the same model may be served with other settings."""
    return identity(CHAMPION / "repository" / packaging, EXPORTED_VERSION)


def promote(arguments: Sequence[str] = ()) -> bool:
    """Run `make promote`'s command, which prints what it did or why not. Returns whether it worked."""
    if not PIPELINE_PYTHON.is_file():
        return False
    return exit_code([str(PIPELINE_PYTHON), "-m", "stages.promote", *arguments]) == 0
