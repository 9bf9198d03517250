"""Who answered each request of a run whose server has a challenger: one row an answer, in a file of each process's own."""

import struct
from pathlib import Path

import numpy as np

KEYED = np.dtype(
    [
        ("intended_s", "<f8"),  # as in samples.SAMPLE
        ("sent_s", "<f8"),
        ("done_s", "<f8"),
        ("key", "<u4"),  # place of the routing key among the run's
        ("version", "<i8"),  # of the release that answered
        ("right", "?"),  # with what that release says
    ]
)
ROW = struct.Struct("<dddIq?")
PATTERN = "keyed-*.part_keyed"


class KeyedAnswers:
    """Appends rows to a file."""

    def __init__(self, path: Path) -> None:
        self._file, self._buffer = path.open("wb"), bytearray()

    def add(self, *, intended_s: float, sent_s: float, done_s: float, key: int, version: int, right: bool) -> None:
        self._buffer += ROW.pack(intended_s, sent_s, done_s, key, version, right)

    def flush(self) -> None:
        self._file.write(self._buffer)
        self._file.flush()
        self._buffer.clear()

    def close(self) -> None:
        self.flush()
        self._file.close()


def keyed_path(folder: Path, samples: str) -> Path:
    """Where the rows lie that belong to these samples."""
    return folder / f"{samples.replace('samples', 'keyed')}.part_keyed"


def gather_keyed(folder: Path, target: Path) -> np.ndarray:
    """The rows of all processes, KEYED. Each file becomes `keyed-<process>.npy` in `target`; a row cut by a kill is left out."""
    parts = [np.empty(0, dtype=KEYED)]
    for path in sorted(folder.glob(PATTERN)):
        content = path.read_bytes()
        parts.append(np.frombuffer(content[: len(content) // ROW.size * ROW.size], dtype=KEYED))
        np.save(target / f"{path.stem}.npy", parts[-1])
        path.unlink()
    return np.concatenate(parts)
