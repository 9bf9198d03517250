"""Vectors of creatives that a model has not seen, made of their images: each creative is looked at once, each content once."""

from collections.abc import Callable
from pathlib import Path, PurePosixPath
from threading import Lock
from typing import TYPE_CHECKING, Protocol

import numpy as np
import polars as pl

from contracts.tables.images import pixels_or_reason
from stages.images.folder import PIECE, THREADS, ShownImage, pieces
from stages.images.once import OncePerContent
from stages.onnx_session import open_session
from stages.overlap import side_by_side

if TYPE_CHECKING:
    import onnxruntime as ort

KEPT = 1 << 18  # vectors that there is room for at first; memory is taken only by those that are written


class ShownImages(Protocol):
    """Images by creative, such as `ImageFiles`."""

    def read(self, creative_id: str, problem: Callable[[bytes], str | None]) -> ShownImage: ...


class ImageTable:
    """Images of a table (creative_id, image) in memory, all of them readable."""

    def __init__(self, images: pl.DataFrame) -> None:
        self._images = dict(images.select("creative_id", "image").iter_rows())

    def read(self, creative_id: str, problem: Callable[[bytes], str | None]) -> ShownImage:
        content = self._images.get(creative_id)
        reason = None if content is None else problem(content)
        if reason is not None:
            raise ValueError(f"the image of creative {creative_id!r} cannot be read: {reason}")
        return ShownImage(creative_id=creative_id, content=content, refused=())


class UnseenCreatives:
    """Vectors float32 [E] of creatives by their images. Row 0 of what is kept is that of no image."""

    def __init__(self, graph: Path, image_size: int, no_image_1E: np.ndarray) -> None:
        self._session: ort.InferenceSession = open_session(graph)
        self._size = image_size
        self._kept, self._num_kept = np.empty((KEPT, no_image_1E.shape[1]), dtype=np.float32), 1
        self._kept[0] = no_image_1E
        self._row_of: dict[str, int] = {}  # by creative
        self._once: OncePerContent[int | str] = OncePerContent()  # the row that a content has, or why it is no image
        self._asked, self._growing = Lock(), Lock()
        self.refused: dict[str, str] = {}  # files that are no images, by path, and why

    def vectors(self, creatives: pl.Series, unseen: pl.Series, images: ShownImages) -> np.ndarray | None:
        """Vectors [N, E] of the rows' creatives, of which `unseen` are those the model does not know; None if none of these
        has an image. Threads may ask at once.
        """
        with self._asked:
            new = (creative for creative in unseen.sort() if creative not in self._row_of)
            for rows in side_by_side(lambda piece: self._looked_at(piece, images), pieces(new, PIECE), THREADS):
                self._row_of.update(rows)
        rows = [self._row_of[creative] for creative in unseen]
        if not any(rows):
            return None
        row_N = creatives.replace_strict(unseen, pl.Series(rows, dtype=pl.UInt32), default=0, return_dtype=pl.UInt32)
        return self._kept[row_N.to_numpy()]

    def _looked_at(self, piece: list[str], images: ShownImages) -> dict[str, int]:
        found = {}
        for creative in piece:
            shown = images.read(creative, self._problem)
            found[creative] = 0 if shown.content is None else self._row(shown.content)
            self.refused |= dict(shown.refused)
        return found

    def _problem(self, content: bytes) -> str | None:
        found = self._once(content, self._look)
        return found if isinstance(found, str) else None

    def _row(self, content: bytes) -> int:
        found = self._once(content, self._look)
        assert isinstance(found, int)  # it has no problem
        return found

    def _look(self, content: bytes) -> int | str:
        """The row of an image's vector, always computed alone: kernels round by batch size. Or why it is no image."""
        pixels = pixels_or_reason(content, self._size)
        if isinstance(pixels, str):
            return pixels
        vector = self._session.run(None, {"creative_pixels": pixels[None]})[0]
        with self._growing:
            if self._num_kept == len(self._kept):
                self._kept = np.concatenate([self._kept, np.empty_like(self._kept)])
            self._kept[self._num_kept] = vector
            self._num_kept += 1
            return self._num_kept - 1

    def warning(self) -> str | None:
        """How many files are no images, with one of them; None if there are none."""
        if not self.refused:
            return None
        name = min(self.refused)
        reason = self.refused[name]
        return f"{len(self.refused)} images cannot be read and count as none, such as {PurePosixPath(name).name}: {reason}"
