"""The folders of data/raw, one a partition, their order, and their files."""

import re
from collections.abc import Iterable, Iterator
from fnmatch import translate
from pathlib import Path

from contracts.dataset.folders import fits, found_below
from contracts.dataset.source import SourceError

NOTHING = re.compile("(?!)")
SHARED = "shared"  # folder of data/raw that holds what all partitions use: side tables


def partitions(raw_dir: Path, order: tuple[str, ...] = ()) -> list[Path]:
    """Partition folders in `order`, or else in that of their names. Raises SourceError if there are none."""
    found = [p for p in raw_dir.glob("*") if p.is_dir() and p.name != SHARED and not p.name.startswith(".")]
    if not found:
        raise SourceError(f"{raw_dir} holds no partition; run `python -m stages.acquire` first")
    return in_order(found, order)


def in_order(folders: Iterable[Path], order: tuple[str, ...]) -> list[Path]:
    """Folders of partitions, the first first. Raises SourceError if `order` is given and lacks one of them."""
    folders = sorted(folders, key=natural)
    unknown = next((folder.name for folder in folders if order and folder.name not in order), None)
    if unknown is not None:
        what = "files without a match of source.partition" if unknown == "all" else "add it where it belongs"
        raise SourceError(f"partition '{unknown}' is not in source.order ({', '.join(order)}): {what}")
    return sorted(folders, key=lambda folder: order.index(folder.name)) if order else folders


def natural(path: Path) -> list[str]:
    """Sort key that puts day_2 before day_10."""
    return _natural(path.name)


def _natural(name: str) -> list[str]:
    return [part.zfill(12) if part.isdigit() else part for part in re.split(r"(\d+)", name)]


def matching(folder: Path, patterns: tuple[str, ...]) -> list[Path]:
    """Files below `folder` that match one of the globs and are not hidden, links followed, in natural order of their paths."""
    return [folder / name for name in in_natural_order(names_matching(folder, patterns))]


def names_matching(folder: Path, patterns: tuple[str, ...]) -> Iterator[str]:
    """The paths there of the same files, in no order; one by one, since there may be very many."""
    last = re.compile("|".join(translate(pattern.rpartition("/")[2]) for pattern in patterns)) if patterns else NOTHING
    # a file's own name fits rarely, and is one look; a pattern takes several
    may_fit = (file.name for file in found_below(folder) if last.match(file.name.rpartition("/")[2]))
    return (name for name in may_fit if any(fits(name, pattern) for pattern in patterns))


def in_natural_order(names: Iterable[str]) -> list[str]:
    """Paths of files with slashes, part by part, ad_2 before ad_10."""
    return sorted(names, key=lambda name: ([_natural(part) for part in name.split("/")], name))
