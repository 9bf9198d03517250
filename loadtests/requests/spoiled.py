"""Requests that must be refused, in every way that a data set's declaration allows for.

Each way takes a good request and breaks one thing in its last row. Columns that the model does not use are not checked by
it, so their rules are left alone.

Shape letters: N rows, C categorical columns, M numeric columns.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from contracts.dataset.columns import Column
from contracts.serving.request import CATEGORICAL, IMAGE, NUMERIC, RequestSpec
from loadtests.requests.prepared_request import Tensors

FEATURES = Path("artifacts/export/features.json")
NO_TEXT = b"caf\xe9"  # Latin-1
NO_IMAGE = b"GIF89a: neither PNG nor JPEG"
CUT_IMAGE = b"\x89PNG\r\n\x1a\n and then nothing that belongs to a PNG"
NO_NUMBER = "many"
OTHER_DIGEST = "0" * 64


@dataclass(frozen=True, kw_only=True)
class Spoiled:
    """A request that must be refused, and the digest of the declaration that it says it was made for."""

    way: str
    tensors: Tensors
    digest: str


def ways(spec: RequestSpec, used: frozenset[str]) -> dict[str, Callable[[Tensors], Spoiled]]:
    """What can be wrong with a request of this declaration, by name. `used`: columns that the model looks at."""
    found: dict[str, Callable[[Tensors], Spoiled]] = {}

    def add(way: str, change: Callable[[Tensors], Tensors], digest: str = spec.digest) -> None:
        found[way] = lambda tensors: Spoiled(way=way, tensors=change(dict(tensors)), digest=digest)

    add("declaration", lambda tensors: tensors, OTHER_DIGEST)
    widened = NUMERIC if spec.numeric else CATEGORICAL
    add("width", lambda tensors: tensors | {widened: wider(*tensors[widened])})
    if spec.categorical and spec.numeric:
        add("missing_tensor", lambda tensors: {name: tensor for name, tensor in tensors.items() if name != NUMERIC})
    if spec.categorical:
        add("encoding", _setting(CATEGORICAL, 0, NO_TEXT))
    if spec.numeric:
        add("infinite", _setting(NUMERIC, 0, np.inf))
    for way, places, value in (
        ("below_min", [j for j, c in enumerate(spec.numeric) if c.min is not None], _below),
        ("above_max", [j for j, c in enumerate(spec.numeric) if c.max is not None], _above),
        ("fraction", [j for j, c in enumerate(spec.numeric) if c.dtype == "int"], _fraction),
    ):
        if places:
            add(way, _setting(NUMERIC, places[0], value(spec.numeric[places[0]])))
    strings = [(i, column) for i, column in enumerate(spec.categorical) if column.name in used]
    for way, places, value in (
        ("no_number", [(i, c) for i, c in strings if c.dtype == "int"], lambda column: NO_NUMBER),
        ("too_long", [(i, c) for i, c in strings if c.max_length is not None], lambda column: "x" * (column.max_length + 1)),
    ):
        if places:
            i, column = places[0]
            add(way, _setting(CATEGORICAL, i, value(column)))
    if spec.creative is not None:
        add("no_image", lambda tensors: tensors | {IMAGE: image_in_last_row(tensors, NO_IMAGE)})
        add("cut_image", lambda tensors: tensors | {IMAGE: image_in_last_row(tensors, CUT_IMAGE)})
    return found


def used_columns(folder: Path) -> frozenset[str]:
    """Names of the columns that the exported model of the project in `folder` looks at."""
    features = json.loads((folder / FEATURES).read_text(encoding="utf-8"))
    return frozenset(column["name"] for column in features["inputs"])


def wider(datatype: str, values_NC: np.ndarray) -> tuple[str, np.ndarray]:
    """The tensor with its last column twice."""
    return datatype, np.concatenate([values_NC, values_NC[:, -1:]], axis=1)


def image_in_last_row(tensors: Tensors, image: bytes) -> tuple[str, np.ndarray]:
    """A tensor of images [N, 1] in which only the last row has one."""
    num_rows = len(next(values for _, values in tensors.values()))
    images = np.full((num_rows, 1), b"", dtype=object)
    images[-1, 0] = image
    return "BYTES", images


def _setting(name: str, place: int, value: str | bytes | float) -> Callable[[Tensors], Tensors]:
    def change(tensors: Tensors) -> Tensors:
        datatype, values = tensors[name]
        changed = values.copy()
        changed[-1, place] = value
        return tensors | {name: (datatype, changed)}

    return change


def _below(column: Column) -> float:
    return column.min - max(1.0, abs(column.min))


def _above(column: Column) -> float:
    return column.max + max(1.0, abs(column.max))


def _fraction(column: Column) -> float:
    """No whole number, but one in the column's range."""
    return (column.min or 0.0) + 0.5 if column.max is None else column.max - 0.5
