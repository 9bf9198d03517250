"""Zip archives of text files: a file in one is read like any other, under the path `<archive>/<its name there>`."""

import io
import lzma
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO, Any

from contracts.dataset.folders import fits
from contracts.dataset.partitions import natural
from contracts.dataset.source import SourceError

ZIP = ".zip"
MOST_MEMBERS = 10_000
FREE_BYTES = 1 << 30  # that an archive may hold however small it is
MOST_RATIO = 200  # bytes in it for one of its own, beyond these; text of rows packs 3 to 30 times
ENCRYPTED = 0x1  # of a member's flags
UNREAD = (ZIP, ".parquet", ".xlsx", ".7z", ".rar", ".tar", ".tgz")
BROKEN = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, NotImplementedError)


def with_members(files: list[Path], pattern: str | None) -> list[Path]:
    """The files, for each archive those in it that the glob means (all without one) and that are not hidden.

    Raises SourceError for an archive that is none, is encrypted, holds nothing to read, or holds far more than text packs to.
    """
    return [member for path in files for member in (_members(path, pattern) if path.suffix.lower() == ZIP else [path])]


@contextmanager
def opened(path: Path) -> Iterator[io.BufferedReader]:
    """The file at its first byte, also one in an archive; what is not whole there raises OSError when it is read."""
    archive = next((above for above in path.parents if above.suffix.lower() == ZIP and above.is_file()), None)
    if archive is None:
        with path.open("rb") as file:
            yield file
        return
    with zipfile.ZipFile(archive) as packed, _explained(), packed.open(path.relative_to(archive).as_posix()) as member:
        yield io.BufferedReader(_Member(member))


def _members(path: Path, pattern: str | None) -> list[Path]:
    try:
        with zipfile.ZipFile(path) as packed:
            everything = packed.infolist()
    except BROKEN as error:
        raise SourceError(f"{path} is no whole zip archive ({error}); send it again") from None
    found = [one for one in everything if not one.is_dir() and not _is_hidden(one.filename)]
    found = [one for one in found if pattern is None or fits(one.filename, pattern)]
    if not found:
        wanted = "file" if pattern is None else f"file that matches {pattern} (format.members)"
        raise SourceError(f"{path} holds no {wanted}; remove it or send it again")
    _refuse_size(path, found)
    for one in found:
        _refuse_member(path, one)
    if len({one.filename for one in found}) < len(found):
        raise SourceError(f"{path} holds two files of one name; send it again")
    return sorted((path / one.filename for one in found), key=lambda member: [natural(Path(part)) for part in member.parts])


def _refuse_size(path: Path, found: list[zipfile.ZipInfo]) -> None:
    """Raise SourceError if the archive holds more than rows of text can; no member gives more than it says here."""
    size = sum(one.file_size for one in found)
    if len(found) > MOST_MEMBERS:
        raise SourceError(f"{path} holds {len(found)} files, at most {MOST_MEMBERS} are read; make several archives of it")
    if size > max(FREE_BYTES, MOST_RATIO * path.stat().st_size):
        raise SourceError(
            f"{path} would unpack to {size / 2**30:.1f} GiB, more than {MOST_RATIO} times its size, as what is made to "
            "fill a disk does; if you trust it, unpack it, or compress its files with gzip"
        )


def _refuse_member(path: Path, one: zipfile.ZipInfo) -> None:
    name = PurePosixPath(one.filename)
    if one.flag_bits & ENCRYPTED:
        raise SourceError(f"{path}: '{name}' is encrypted; unpack it with its password, or send it without one")
    if name.is_absolute() or ".." in name.parts or "\\" in one.filename or str(name) != one.filename:
        raise SourceError(f"{path} holds '{one.filename}', which is no plain path; make the archive anew")
    if name.suffix.lower() in UNREAD:
        raise SourceError(
            f"{path} holds '{name}', and only text files are read in an archive; unpack it, or say which ones in format.members"
        )


def _is_hidden(name: str) -> bool:
    parts = name.replace("\\", "/").split("/")
    return any(part.startswith(".") and part != ".." for part in parts) or "__MACOSX" in parts


@contextmanager
def _explained() -> Iterator[None]:
    try:
        yield
    except BROKEN as error:
        raise OSError(f"zip: {error}") from error


class _Member(io.RawIOBase):
    """A file in an archive."""

    def __init__(self, member: IO[bytes]) -> None:
        self._member = member

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        with _explained():
            data = self._member.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)
