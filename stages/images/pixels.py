"""The array of all creatives' pixels, made on the disk: a row for each creative, and of the images a few in memory."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from contracts.tables.images import to_pixels
from stages.images.folder import PIECE, THREADS
from stages.images.once import OncePerContent
from stages.images.table import creatives_in, images_in
from stages.overlap import side_by_side

Shown = tuple[int, bytes]  # row of a creative, and its image
RowsOf = Callable[[list[str]], np.ndarray]  # which row is whose


class PixelFile:
    """A .npy file of uint8 [rows, 3, size, size], all zero at first, whose rows may be written in any order.

    It is not mapped: pages of a map count as memory of the process. Threads may write at once.
    """

    def __init__(self, path: Path, rows: int, size: int) -> None:
        self._size, self._row_bytes = size, 3 * size * size
        self._once: OncePerContent[int] = OncePerContent()  # row that holds a content's pixels
        with path.open("wb") as stream:
            header = {"descr": "|u1", "fortran_order": False, "shape": (rows, 3, size, size)}
            np.lib.format.write_array_header_1_0(stream, header)
            self._start = stream.tell()
            stream.truncate(self._start + rows * self._row_bytes)
        self._file = os.open(path, os.O_RDWR | os.O_CLOEXEC)

    def close(self) -> None:
        os.close(self._file)

    def write(self, row: int, content: bytes) -> None:
        """Put the pixels of an image into a row; the same bytes are decoded once."""

        def decode(content: bytes) -> int:
            self._put(row, to_pixels(content, self._size).tobytes())
            return row

        held = self._once(content, decode)
        if held != row:
            self._put(row, os.pread(self._file, self._row_bytes, self._start + held * self._row_bytes))

    def _put(self, row: int, pixels: bytes) -> None:
        os.pwrite(self._file, pixels, self._start + row * self._row_bytes)


def write_pixels(path: Path, tables: list[Path], row_of: RowsOf, rows: int, size: int) -> Iterator[int]:
    """Write the pixels of all creatives, of each the last table's that has it; the number of images done, piece by piece.

    A row that no creative has, such as row 0, no image, is zero.
    """
    last_R = np.full(rows, -1, dtype=np.int32)  # table that each row's image is taken from
    for i, table in enumerate(tables):
        for creatives in creatives_in(table):
            last_R[row_of(creatives)] = i
    last_R[0] = -1
    pixels = PixelFile(path, rows, size)

    def decode(piece: list[Shown]) -> int:
        for row, content in piece:
            pixels.write(row, content)
        return len(piece)

    try:
        for i, table in enumerate(tables):
            yield from side_by_side(decode, _shown(table, row_of, last_R == i), THREADS)
    finally:
        pixels.close()


def _shown(table: Path, row_of: RowsOf, wanted_R: np.ndarray) -> Iterator[list[Shown]]:
    """Rows and images of a table's creatives whose rows are wanted, in pieces."""
    for group in images_in(table, PIECE):
        rows = row_of([creative for creative, _ in group]).tolist()
        yield [(row, content) for row, (_, content) in zip(rows, group, strict=True) if wanted_R[row]]
