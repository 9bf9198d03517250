"""The images that the journal keeps beside its segments, `images/<2 digits>/<sha256>`."""

from pathlib import Path

from contracts.files import sync

IMAGES = "images"


def kept(folder: Path, digests: set[bytes]) -> list[Path]:
    """The files of these images that are there."""
    paths = (folder / IMAGES / digest.hex()[:2] / digest.hex() for digest in sorted(digests))
    return [path for path in paths if path.is_file()]


def erase(path: Path) -> None:
    path.unlink(missing_ok=True)
    sync(path.parent)
