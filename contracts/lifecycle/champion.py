"""Where the champion lies: champion/model, which DVC tracks (champion/model.dvc) and only a promotion writes."""

from pathlib import Path

CHAMPION = Path("champion/model")
POINTER = CHAMPION.with_suffix(".dvc")
EXPORT, REPOSITORY, TIMING = (
    "export",
    "repository",
    "train_timing.json",
)  # graphs, Triton repositories, cost of training


def is_promoted(folder: Path = CHAMPION) -> bool:
    """Was a model ever made the champion. Raises ValueError if one was, and its files are not here."""
    if (folder / EXPORT / "manifest.json").is_file():
        return True
    pointer = folder.with_suffix(POINTER.suffix)
    if folder.is_dir():
        raise ValueError(f"{folder}/{EXPORT}/manifest.json is missing; `dvc checkout --force {pointer}` brings the champion back")
    if pointer.is_file():
        raise ValueError(f"{folder} is not here; `dvc pull {pointer}` brings the champion from the DVC remote")
    return False
