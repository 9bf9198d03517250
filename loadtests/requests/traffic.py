"""Requests as traffic brings them: rows of the test split, packed as the data set's declaration says.

Reads what the pipeline wrote, never the server: `data/split`, `data/raw` for the images of creatives that training has
not seen, and `artifacts/export/declaration.json`.

Shape letters: N rows, C categorical columns, M numeric columns.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from pydantic import TypeAdapter

from contracts.dataset.declaration import Declaration
from contracts.dataset.partitions import partitions
from contracts.serving.request import CATEGORICAL, IMAGE, NUMERIC, RequestSpec, numbers, request_of, strings
from contracts.tables.raw import read_images

DECLARATION, TEST, TRAIN, RAW = (
    Path("artifacts/export/declaration.json"),
    Path("data/split/test.parquet"),
    Path("data/split/train.parquet"),
    Path("data/raw"),
)
MISSING = "{} is missing; run `make repro` first: load tests send the rows of the test split"


@dataclass(frozen=True, kw_only=True)
class Payload:
    """The tensors of one request, and where its rows come from."""

    rows_N: np.ndarray  # int64, places in the traffic
    categorical_NC: np.ndarray | None  # object, str; None if the declaration has no such column
    numeric_NM: np.ndarray | None  # float32
    image_N1: np.ndarray | None = None  # object, bytes, b"" for none

    @property
    def tensors(self) -> dict[str, tuple[str, np.ndarray]]:
        """Triton's datatype and the values of each input that is sent, by name."""
        found = {
            CATEGORICAL: ("BYTES", self.categorical_NC),
            NUMERIC: ("FP32", self.numeric_NM),
            IMAGE: ("BYTES", self.image_N1),
        }
        return {name: (kind, values) for name, (kind, values) in found.items() if values is not None}


@dataclass(frozen=True, kw_only=True)
class TrafficRows:
    """Rows to ask for, in the order of the test split."""

    spec: RequestSpec
    categorical_NC: np.ndarray | None
    numeric_NM: np.ndarray | None
    creative_N: np.ndarray | None  # object, ids as strings; None if creatives have no images
    images: Mapping[str, bytes]  # of creatives that training has not seen

    @property
    def num_rows(self) -> int:
        return len(self.categorical_NC if self.categorical_NC is not None else self.numeric_NM)

    def payload(self, rows_N: np.ndarray, with_images: bool = False) -> Payload:
        """The request for these rows; `with_images` sends along the images of new creatives, if a row has one."""
        images = [self.images.get(creative, b"") for creative in self.creative_N[rows_N]] if with_images and self.images else []
        return Payload(
            rows_N=rows_N,
            categorical_NC=None if self.categorical_NC is None else self.categorical_NC[rows_N],
            numeric_NM=None if self.numeric_NM is None else self.numeric_NM[rows_N],
            image_N1=np.array(images, dtype=object)[:, None] if any(images) else None,
        )

    def draw(self, rng: np.random.Generator, num_rows: int, with_images: bool = False) -> Payload:
        """A request of consecutive rows from a random place on; with images, one that begins with a new creative."""
        last = self.num_rows - num_rows
        if with_images and len(starts := self.rows_of_new_creatives()):
            return self.payload(np.arange(num_rows) + min(int(rng.choice(starts)), last), with_images=True)
        return self.payload(np.arange(num_rows) + int(rng.integers(0, last + 1)))

    def rows_of_new_creatives(self) -> np.ndarray:
        """Places of rows whose creative has an image to send, int64, ascending."""
        if self.creative_N is None or not self.images:
            return np.empty(0, dtype=np.int64)
        return np.flatnonzero(np.isin(self.creative_N.astype(str), [*self.images]))


def read_traffic(num_rows: int, folder: Path = Path()) -> TrafficRows:
    """The first `num_rows` rows of the test split of the project in `folder`. Raises ValueError if it has none."""
    if not (folder / DECLARATION).is_file():
        raise ValueError(MISSING.format(DECLARATION))
    declared = json.loads((folder / DECLARATION).read_text(encoding="utf-8"))
    return traffic_of(TypeAdapter(Declaration).validate_python(declared), num_rows, folder)


def traffic_of(declaration: Declaration, num_rows: int, folder: Path = Path()) -> TrafficRows:
    """The same for a model of another declaration, whose columns the test split has. Raises ValueError if there are no rows."""
    if not (folder / TEST).is_file():
        raise ValueError(MISSING.format(TEST))
    spec = request_of(declaration)
    names = list(dict.fromkeys(c.name for c in spec.columns))
    rows = pl.read_parquet(folder / TEST, columns=names, n_rows=num_rows)
    if rows.is_empty():
        raise ValueError(f"{TEST} holds no row; there is nothing to send")
    return TrafficRows(
        spec=spec,
        categorical_NC=_stacked([strings(rows[c.name]).to_numpy() for c in spec.categorical], object),
        numeric_NM=_stacked([numbers(rows[c.name]).to_numpy() for c in spec.numeric], np.float32),
        creative_N=None if spec.creative is None else strings(rows[spec.creative]).to_numpy().astype(object),
        images={} if spec.creative is None else new_images(folder, declaration, strings(rows[spec.creative])),
    )


def new_images(folder: Path, declaration: Declaration, creatives: pl.Series) -> dict[str, bytes]:
    """Images of those of `creatives` that the training split does not hold, by id."""
    if not (folder / TRAIN).is_file() or not (folder / RAW).is_dir():
        return {}
    seen = strings(pl.read_parquet(folder / TRAIN, columns=[creatives.name])[creatives.name]).unique()
    wanted = set(creatives.unique()) - set(seen) - {""}
    found = pl.concat([read_images(month, declaration)[0] for month in partitions(folder / RAW)])
    return {name: image for name, image in found.iter_rows() if name in wanted}


def _stacked(columns: list[np.ndarray], dtype: type) -> np.ndarray | None:
    return np.stack([column.astype(dtype) for column in columns], axis=1) if columns else None
