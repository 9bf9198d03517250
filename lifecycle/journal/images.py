"""The images of a journal as who follows it sees them: read by their digest, and removed when they are old or too many.

serving/triton/journal/images.py writes them, at the same time as this; a file's time says when its image came last.
"""

import hashlib
import os
import re
from array import array
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np

from lifecycle.journal.locks import is_held
from serving.triton.journal.images import IMAGES, PARTIAL, image_path

DIGEST = re.compile("[0-9a-f]{64}")
GONE = ".gone"  # how the name ends of an image that is being removed
ABANDONED = timedelta(hours=1)  # a file that was being written is so old, and nobody holds its lock: its writer is dead


class NoImage(ValueError):
    """The journal does not have the image: none of its rows came with it, it was not kept, or it was removed since."""


class DamagedImage(ValueError):
    """What the journal has under this digest is something else."""


@dataclass(frozen=True, kw_only=True)
class RemovedImages:
    """What was removed, and what is left."""

    images: int = 0
    bytes: int = 0
    kept_images: int = 0
    kept_bytes: int = 0


@dataclass(frozen=True, kw_only=True)
class _Kept:
    """An image, as it was when it was looked at."""

    path: Path
    used_ns: int  # since 1970, when it came last
    size: int


def read_image(folder: Path, sha256: str) -> bytes:
    """The image with this digest (64 hexadecimal digits, small), as it came. `folder` is the journal's.

    Raises NoImage if it is not there, DamagedImage if its bytes have another digest.
    """
    if not DIGEST.fullmatch(sha256):
        raise NoImage(f"{sha256[:70]!r} is no SHA-256; expected 64 hexadecimal digits, as column image_sha256 has them")
    path = image_path(folder, sha256)
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise NoImage(
            f"{folder} has no image {sha256}: serving.journal.images did not ask for it, or it was removed "
            "(serving.journal.images_keep_days, images_max_gib)"
        ) from None
    found = hashlib.sha256(content).hexdigest()
    if found != sha256:
        raise DamagedImage(f"{path} is damaged: its {len(content)} bytes have the SHA-256 {found}; remove the file")
    return content


def remove_images(folder: Path, keep_days: float, max_bytes: int, now: datetime) -> RemovedImages:
    """Remove images that came last more than `keep_days` before `now`, and the oldest of the rest if it has over `max_bytes`.

    `folder` is the journal's. One process at a time may do it; servers may write meanwhile: an image that comes again while it is
    being removed is there afterwards. What dead writers left unfinished goes as well.
    """
    images, oldest_ns = folder / IMAGES, _nanoseconds(now - timedelta(days=keep_days))
    _finish_removals(images, oldest_ns)
    _remove_abandoned(images, _nanoseconds(now - ABANDONED))
    old = _remove_until(images, oldest_ns - 1)
    used_ns, sizes = array("q"), array("q")  # sixteen bytes an image: there may be millions
    for image in _images(images):
        used_ns.append(image.used_ns)
        sizes.append(image.size)
    too_many = sum(sizes) - max_bytes
    more = (0, 0) if too_many <= 0 else _remove_until(images, _last_of_oldest(used_ns, sizes, too_many), too_many)
    return RemovedImages(
        images=old[0] + more[0], bytes=old[1] + more[1], kept_images=len(sizes) - more[0], kept_bytes=sum(sizes) - more[1]
    )  # fmt: skip


def _last_of_oldest(used_ns: "array[int]", sizes: "array[int]", size: int) -> int:
    """When the newest of the oldest images came that have `size` bytes together."""
    order = np.argsort(used_ns, kind="stable")
    place = np.searchsorted(np.cumsum(np.asarray(sizes)[order]), size)
    return int(used_ns[int(order[place])])


def _remove_until(folder: Path, last_ns: int, enough: int | None = None) -> tuple[int, int]:
    """Remove images that came last at `last_ns` or before, until `enough` bytes are; how many images and bytes were removed."""
    number = size = 0
    for image in _images(folder):
        if enough is not None and size >= enough:
            break
        if image.used_ns <= last_ns and _remove(image):
            number, size = number + 1, size + image.size
    return number, size


def _images(folder: Path) -> Iterator[_Kept]:
    for path, status in _files(folder):
        if DIGEST.fullmatch(path.name):
            yield _Kept(path=path, used_ns=status.st_mtime_ns, size=status.st_size)


def _files(folder: Path) -> Iterator[tuple[Path, os.stat_result]]:
    """Every file below, two levels deep; those that go away meanwhile are left out."""
    for inner in sorted(folder.glob("[0-9a-f][0-9a-f]")):
        with os.scandir(inner) as entries:
            for entry in [*entries]:
                with suppress(FileNotFoundError):
                    yield Path(entry.path), entry.stat(follow_symlinks=False)


def _remove(image: _Kept) -> bool:
    """False if it came again meanwhile. Its name is taken away first: a server that then looks for it writes it anew."""
    gone = image.path.with_name(f".{image.path.name}{GONE}")
    try:
        os.rename(image.path, gone)
    except FileNotFoundError:
        return False
    return _end(gone, is_unused=gone.stat().st_mtime_ns == image.used_ns)


def _end(gone: Path, is_unused: bool) -> bool:
    """Remove it, or bring it back; was it removed."""
    if is_unused:
        gone.unlink()
    else:
        os.rename(gone, gone.with_name(gone.name.removeprefix(".").removesuffix(GONE)))
    return is_unused


def _finish_removals(folder: Path, oldest_ns: int) -> None:
    """Of one that was killed."""
    for path, status in _files(folder):
        if path.name.endswith(GONE):
            _end(path, is_unused=status.st_mtime_ns < oldest_ns)


def _remove_abandoned(folder: Path, before_ns: int) -> None:
    for path, status in _files(folder):
        if path.name.endswith(PARTIAL) and status.st_mtime_ns < before_ns:
            with suppress(FileNotFoundError):
                if not is_held(path):
                    path.unlink()


def _nanoseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1_000_000) * 1000
