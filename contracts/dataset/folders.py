"""The files below a folder, links followed, and which of them a glob means: one answer for all who read folders."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from contracts.dataset.source import SourceError


@dataclass(frozen=True)
class Found:
    """A file below a folder."""

    name: str  # its path there, with slashes
    path: Path
    link: str | None  # the first linked folder on the way to it, by its path below the folder


def files_below(folder: Path) -> list[Found]:
    """What `found_below` finds, by name."""
    return sorted(found_below(folder), key=lambda file: file.name)


def found_below(folder: Path) -> Iterator[Found]:
    """The files below `folder` that are not hidden and not in hidden folders; none if there is no such folder.

    Links to files and folders are followed. Raises SourceError for a link that leads nowhere or round in a circle, and for
    a name that is not UTF-8; OSError where a folder cannot be read.
    """
    return _below(folder, "", None, (_identity(folder),)) if folder.is_dir() else iter(())


def fits(name: str, pattern: str) -> bool:
    """Does a file's path match the glob: a star stays in a folder, `**/` crosses folders, also none."""
    return _fits(name.split("/"), pattern.split("/"))


def _below(folder: Path, prefix: str, link: str | None, above: tuple[tuple[int, int], ...]) -> Iterator[Found]:
    """`above` are the folders that hold what is found, by device and inode, the innermost last."""
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith("."):
                continue
            name, path = prefix + entry.name, Path(entry.path)
            _refuse_unreadable(name, path)
            if entry.is_dir():
                identity = _identity(path)
                if identity in above:
                    raise SourceError(f"{path} leads back to a folder that it lies in (a link goes in a circle); remove the link")
                to_there = link or (name if entry.is_symlink() else None)
                yield from _below(path, f"{name}/", to_there, (*above, identity))
            elif entry.is_file():
                yield Found(name, path, link)
            elif entry.is_symlink() and not path.exists():
                to = os.readlink(path)
                raise SourceError(f"{path} is a link to {to}, which does not exist; bring that back, or remove the link")


def _identity(folder: Path) -> tuple[int, int]:
    stat = folder.stat()
    return stat.st_dev, stat.st_ino


def _refuse_unreadable(name: str, path: Path) -> None:
    try:
        name.encode()
    except UnicodeEncodeError:
        shown = os.fsencode(path.name).decode(errors="backslashreplace")
        raise SourceError(f"{path.parent} holds '{shown}', a name that is not UTF-8; give it another") from None


def _fits(parts: list[str], pattern: list[str]) -> bool:
    if not pattern or not parts:
        return not parts and all(part == "**" for part in pattern)
    if pattern[0] == "**":
        return _fits(parts, pattern[1:]) or _fits(parts[1:], pattern)
    return fnmatchcase(parts[0], pattern[0]) and _fits(parts[1:], pattern[1:])
