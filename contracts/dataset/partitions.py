"""The folders of data/raw, one a partition, their order, and their files."""

import re
from collections.abc import Iterable, Iterator
from fnmatch import translate
from pathlib import Path

from contracts.dataset.folders import fits, found_below
from contracts.dataset.source import SourceError

ALL = "all"  # the partition of files whose path names none
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


def partition_of(name: str, pattern: re.Pattern[str]) -> str:
    """What the expression finds in a file's path, its groups joined by a dash; ALL if it finds nothing."""
    found = pattern.search(name)
    groups = [group for group in found.groups() or (found[0],) if group] if found else []
    return "-".join(groups).replace("/", "-") or ALL


def nearest_partition(path: Path, pattern: re.Pattern[str]) -> str:
    """Of a file that lies anywhere: what its name says, or else the fewest of the folders above it together."""
    parts = path.absolute().parts
    found = (partition_of("/".join(parts[start:]), pattern) for start in reversed(range(len(parts))))
    return next((partition for partition in found if partition != ALL), ALL)


def is_before(partition: str, since: str, order: tuple[str, ...] = ()) -> bool:
    """Does the partition come before the one called `since`, which is one, or how one begins: 2026-05 of 2026-05-01.

    Raises SourceError if nobody can tell.
    """
    if order:
        return order.index(partition) < order.index(since)
    if not _shape(partition).startswith(_shape(since)):
        raise SourceError(
            f"nobody can tell whether partition '{partition}' is before since: {since}; write that as it is written"
        )
    return _natural(partition) < _natural(since)


def _shape(name: str) -> str:
    """The name with its numbers alike: years and dates by their length, smaller ones at all."""
    return re.sub(r"\d+", lambda digits: "0" * (len(digits[0]) if len(digits[0]) > 3 else 1), name)
