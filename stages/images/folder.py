"""The image files below a folder by the creatives they show: their names are in memory, their contents stay on the disk."""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from contracts.dataset.declaration import Declaration
from contracts.dataset.partitions import in_natural_order, names_matching
from contracts.tables.images import unreadable
from stages.images.once import OncePerContent
from stages.overlap import side_by_side

THREADS = 2  # Pillow decodes in C without Python's lock, the rest of an image's work is Python
PIECE = 64  # images that a thread reads at a time


@dataclass(frozen=True, kw_only=True)
class ShownImage:
    """What the files of one creative came to."""

    creative_id: str
    content: bytes | None  # None if there is no readable file
    refused: tuple[tuple[str, str], ...]  # path and reason of each that is not readable


class ImageFiles:
    """The image files of a declaration below a folder. A creative has the last readable one of those called like it."""

    def __init__(self, folder: Path, declaration: Declaration) -> None:
        patterns = (declaration.images.files,) if declaration.images else ()
        self._folder = folder
        self._names = sorted(names_matching(folder, patterns), key=creative_of)

    def __len__(self) -> int:
        return len(self._names)

    def creatives(self) -> Iterator[str]:
        """Each creative that has a file, in order."""
        last = None
        for name in self._names:
            if (creative := creative_of(name)) != last:
                yield creative
            last = creative

    def read(self, creative_id: str, problem: Callable[[bytes], str | None]) -> ShownImage:
        """The creative's image; `problem` says why bytes are no image."""
        start = end = bisect_left(self._names, creative_id, key=creative_of)
        while end < len(self._names) and creative_of(self._names[end]) == creative_id:
            end += 1
        names = self._names[start:end]
        content, refused = None, []
        for name in reversed(in_natural_order(names)) if len(names) > 1 else names:
            with open(f"{self._folder}/{name}", "rb", buffering=0) as file:
                found = file.readall()
            reason = problem(found)
            if reason is not None:
                refused.append((name, reason))
            elif content is None:
                content = found
        return ShownImage(creative_id=creative_id, content=content, refused=tuple(reversed(refused)))

    def checked(self, creatives: Iterable[str], once: OncePerContent[str | None]) -> Iterator[ShownImage]:
        """The images of `creatives`, in their order, each content looked at once; a few of them are in memory at a time."""

        def read(piece: list[str]) -> list[ShownImage]:
            return [self.read(creative, lambda content: once(content, unreadable)) for creative in piece]

        for piece in side_by_side(read, pieces(creatives, PIECE), THREADS):
            yield from piece


def creative_of(name: str) -> str:
    """The creative that a file shows is what it is called, without folders and suffix."""
    file = name[name.rfind("/") + 1 :]
    dot = file.rfind(".")
    return file[:dot] if 0 < dot < len(file) - 1 else file  # as Path.stem, which takes 8 times as long


def pieces(items: Iterable[str], size: int) -> Iterator[list[str]]:
    """The items in lists of `size`, the last with what is left."""
    waiting: list[str] = []
    for item in items:
        waiting.append(item)
        if len(waiting) == size:
            yield waiting
            waiting = []
    if waiting:
        yield waiting


def by_name(refused: Iterable[tuple[str, str]]) -> list[str]:
    """`file: reason` of files that are no images, in the order of their paths."""
    reasons = dict(refused)
    return [f"{PurePosixPath(name).name}: {reasons[name]}" for name in in_natural_order(list(reasons))]
