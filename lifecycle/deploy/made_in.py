"""A project folder whose export is brought in, as a training leaves it: held against the champion that is here now."""

import shutil
from pathlib import Path

from contracts.lifecycle.champion import CHAMPION, POINTER

MANIFEST = Path("artifacts/export/manifest.json")


def checked_folder(given: str | None) -> Path | None:
    """The folder; None if it is this one. Raises ValueError if it is no copy of the project with an export."""
    if given is None or Path(given).resolve() == Path.cwd():
        return None
    if not (Path(given) / MANIFEST).is_file() or not (Path(given) / "dvc.yaml").is_file():
        raise ValueError(f"--from: expected a project folder with an export, got {given}, which has no {MANIFEST} or no dvc.yaml")
    return Path(given)


def bring_champion(folder: Path) -> None:
    """Let the folder have the champion that is here, so that its reports are about that one."""
    shutil.rmtree(folder / CHAMPION, ignore_errors=True)
    (folder / POINTER).unlink(missing_ok=True)
    if CHAMPION.is_dir():
        shutil.copytree(CHAMPION, folder / CHAMPION)
    if POINTER.is_file():
        shutil.copyfile(POINTER, folder / POINTER)
