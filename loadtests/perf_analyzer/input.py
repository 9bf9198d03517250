"""The requests that NVIDIA's perf_analyzer sends: rows of the test split, in its JSON form, and the answers they must get.

perf_analyzer joins `-b N` consecutive entries of its file into one request of N rows and begins anew after the last, so
entries are written as whole requests. It cannot export a request with NaN (its file of results is then empty, without a
word), so a missing number takes a number of the same column from another row: the request is as large and is checked and
encoded as before. Missing categories stay as they are.
"""

import json
import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from contracts.dataset.columns import Column
from contracts.serving.request import CATEGORICAL, NUMERIC
from loadtests.requests.traffic import TrafficRows

Key = tuple[str, tuple[float, ...]]  # of a request: its first row as perf_analyzer exports it
Tensors = dict[str, np.ndarray]


@dataclass(frozen=True, kw_only=True)
class Requests:
    """Different requests of the same number of rows, in the order in which they are sent."""

    rows: int  # of each
    tensors: list[Tensors]  # `categorical` object [rows, C] of str, `numeric` float32 [rows, M]
    digest: str  # of the declaration

    def write(self, path: Path) -> None:
        """The file for `--input-data`: one entry a row."""
        entries = [entry(tensors, row) for tensors in self.tensors for row in range(self.rows)]
        path.write_text(json.dumps({"data": entries}, ensure_ascii=False), encoding="utf-8")

    def answers(self, ask: Callable[[Tensors], np.ndarray]) -> dict[Key, np.ndarray]:
        """What `ask` answers (float [rows]) to each request, by what the export shows of it."""
        return {first_row(tensors): ask(tensors) for tensors in self.tensors}


def requests_of(traffic: TrafficRows, rows: int, distinct: int) -> Requests:
    """At most `distinct` requests of consecutive rows, no two of which begin with the same row. Raises ValueError."""
    if traffic.num_rows < rows:
        raise ValueError(f"the test split holds {traffic.num_rows} rows, too few for one request of {rows}; ask for fewer rows")
    numeric = None if traffic.numeric_NM is None else without_missing(traffic.numeric_NM, traffic.spec.numeric)
    found: dict[Key, Tensors] = {}
    for start in range(0, traffic.num_rows - rows + 1, rows):
        some = slice(start, start + rows)
        parts = {CATEGORICAL: traffic.categorical_NC, NUMERIC: numeric}
        tensors = {name: values[some] for name, values in parts.items() if values is not None}
        found.setdefault(first_row(tensors), tensors)
        if len(found) == distinct:
            break
    return Requests(rows=rows, tensors=[*found.values()], digest=traffic.spec.digest)


def without_missing(numeric_NM: np.ndarray, columns: tuple[Column, ...]) -> np.ndarray:
    """The numbers, float32 [N, M], NaN replaced by the column's present values in turn, or by its least allowed one."""
    filled = numeric_NM.copy()
    for place, column in enumerate(columns):
        missing = np.isnan(filled[:, place])
        present = filled[~missing, place]
        if not len(present):
            allowed = [bound for bound in (column.min, column.max, 0.0) if bound is not None]
            present = np.array(allowed[:1], dtype=np.float32)
        filled[missing, place] = np.resize(present, missing.sum())
    return filled


def entry(tensors: Tensors, row: int) -> dict[str, dict[str, list]]:
    """One row in perf_analyzer's form; the batch dimension is its own."""
    shown = {}
    for name, values in tensors.items():
        shown[name] = {"content": values[row].tolist(), "shape": [values.shape[1]]}
    return shown


def first_row(tensors: Tensors) -> Key:
    """What the export holds of a request: strings as Triton packs them, less the first length; numbers as they are."""
    texts = [text.encode() for text in tensors[CATEGORICAL][0]] if CATEGORICAL in tensors else []
    packed = b"".join(struct.pack("<I", len(text)) + text for text in texts)[4:]
    numbers = tensors[NUMERIC][0].tolist() if NUMERIC in tensors else ()
    return packed.decode("utf-8", "surrogateescape"), tuple(numbers)
