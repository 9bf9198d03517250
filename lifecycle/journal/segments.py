"""A segment's frames, each held against its checksum; what is damaged is named, and the rest is read."""

import json
import mmap
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple
from zlib import crc32

from serving.triton.journal.layout import CHECKED, FORMAT, FRAME_HEAD, FRAME_MAGIC, OPENED, SEGMENT_HEAD, SEGMENT_MAGIC


class NotASegment(ValueError):
    """The file cannot be read at all: it is something else, or of another format."""


class Frame(NamedTuple):
    kind: int
    start: int  # of the payload, within the file
    end: int


@dataclass(frozen=True, kw_only=True)
class Damage:
    """Bytes that are no frame."""

    segment: str
    start: int
    end: int
    is_torn: bool  # they end the file: whoever wrote them was killed, or had no room

    def __str__(self) -> str:
        what = "its last frame is torn" if self.is_torn else "no frame can be read"
        return f"{self.segment}: bytes {self.start} to {self.end}: {what}"


class Segment:
    """A segment that is open for reading. `damages` grows while `frames` are read. Raises NotASegment."""

    def __init__(self, path: Path) -> None:
        self.name, self.damages = path.name, list[Damage]()
        with path.open("rb") as file:
            head = file.read(SEGMENT_HEAD.size)
            magic, form, _ = SEGMENT_HEAD.unpack(head.ljust(SEGMENT_HEAD.size, b"\0"))
            if magic != SEGMENT_MAGIC:
                raise NotASegment(f"{path} is no segment of a journal; take it out of the folder")
            if form != FORMAT:
                raise NotASegment(
                    f"{path} has format {form} of the journal, this program reads format {FORMAT}; read it with the release "
                    "of the project that wrote it"
                )
            self.content = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        self.size = len(self.content)
        first = next(self.frames(), None)
        self.damages.clear()
        if first is None or first.kind != OPENED or first.start != SEGMENT_HEAD.size + FRAME_HEAD.size:
            raise NotASegment(f"{path}: the frame that says what is in it is damaged, so its rows cannot be read")
        self.about: dict[str, Any] = json.loads(self.content[first.start : first.end])

    def close(self) -> None:
        self.content.close()

    def forget(self, upto: int) -> None:
        """Let the memory go that holds the file up to there."""
        self.content.madvise(mmap.MADV_DONTNEED, 0, upto // mmap.PAGESIZE * mmap.PAGESIZE)

    def frames(self) -> Iterator[Frame]:
        """Every whole frame, in order."""
        content, at, end, head = self.content, SEGMENT_HEAD.size, self.size, FRAME_HEAD.size
        while at < end:
            start = at + head
            if start <= end:
                magic, size, kind, checksum = FRAME_HEAD.unpack_from(content, at)
                stop = start + size
                if magic == FRAME_MAGIC and stop <= end:
                    known = crc32(content[at + CHECKED.start : at + CHECKED.stop])
                    if crc32(content[start:stop], known) == checksum:
                        yield Frame(kind, start, stop)
                        at = stop
                        continue
            at = self._after_damage(at)

    def event(self, frame: Frame) -> dict[str, Any] | None:
        """What a frame of an event says; None, and it is damage, if that is no JSON object."""
        with suppress(ValueError):
            found = json.loads(self.content[frame.start : frame.end])
            if isinstance(found, dict):
                return found
        self.damages.append(Damage(segment=self.name, start=frame.start, end=frame.end, is_torn=False))
        return None

    def _after_damage(self, at: int) -> int:
        """The next place where a frame may begin."""
        found = self.content.find(FRAME_MAGIC, at + 1)
        stop = self.size if found < 0 else found
        before = self.damages[-1] if self.damages else None
        if before is not None and before.end == at:  # the same bytes: what looked like a frame was none
            at = self.damages.pop().start
        self.damages.append(Damage(segment=self.name, start=at, end=stop, is_torn=stop == self.size))
        return stop
