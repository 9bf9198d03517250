"""Checked rows as requests: packed into the tensors of `contracts.serving.request`, cut where a request would grow too large.

Shape letters: N rows, C categorical columns, M numeric columns.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import numpy as np
import polars as pl

from contracts.serving.journal import EVENT_TIME_MS, KEY, LONGEST_KEY
from contracts.serving.request import CATEGORICAL, IMAGE, NUMERIC, numbers, strings
from serving.client.addressee import Addressee
from serving.client.rows import as_polars, column_names, needed_columns, needed_lists, typed
from serving.client.served_model import ServedModel

Images = Mapping[Any, bytes] | pl.DataFrame  # by creative id; a frame has the columns creative_id and image
Tensors = dict[str, np.ndarray]


@dataclass(frozen=True, kw_only=True)
class Noted:
    """What a caller says beside the rows: what the server's journal shall have of them, and who shall answer.

    Raises ValueError or TypeError.
    """

    keys: Sequence[str] | None = None  # one a row, by which the caller finds it again
    event_time: datetime | None = None  # of the rows' event, aware of its zone
    routing_key: str | None = None  # whose rows they are: one arm of an experiment answers all that this key asks
    release: int | None = None  # that shall answer

    def __post_init__(self) -> None:
        Addressee(routing_key=self.routing_key, release=self.release)

    def key_bytes(self, model: ServedModel, num_rows: int) -> list[bytes] | None:
        """The keys as they are sent. Raises ValueError."""
        if self.keys is None:
            return None
        if not model.takes_keys:
            raise ValueError("keys are given, but the served model takes none: it was exported before there was a journal")
        if len(self.keys) != num_rows:
            raise ValueError(f"{len(self.keys)} keys are given for {num_rows} rows; give one a row")
        found = [key.encode() for key in self.keys]
        if too_long := [row for row, key in enumerate(found) if len(key) > LONGEST_KEY]:
            row = too_long[0]
            raise ValueError(f"the key of row {row} has {len(found[row])} bytes, at most {LONGEST_KEY}; give a shorter one")
        return found

    @property
    def event_time_ms(self) -> int | None:
        """Milliseconds since 1970. Raises ValueError for a time without a zone."""
        if self.event_time is None:
            return None
        if self.event_time.tzinfo is None:
            raise ValueError(f"event_time {self.event_time} says no zone; give it one, such as datetime.UTC")
        return round(self.event_time.timestamp() * 1000)

    @property
    def parameters(self) -> dict[str, str | int]:
        """Those of the requests. Raises ValueError for a time without a zone."""
        event_time_ms = self.event_time_ms
        said = {} if event_time_ms is None else {EVENT_TIME_MS: event_time_ms}
        return said | Addressee(routing_key=self.routing_key, release=self.release).parameters


NOTHING_NOTED = Noted()


@dataclass(frozen=True, kw_only=True)
class RequestBatch:
    """A table's rows, ready to be sent in pieces."""

    texts: pl.DataFrame  # categorical columns as strings
    floats_NM: np.ndarray  # float32
    images: list[bytes] | None  # one a row, b"" for none
    pieces: list[tuple[int, int]]  # first row and the row after the last, of each request
    digest: str  # of the declaration that the tensors follow
    keys: list[bytes] | None = None  # one a row
    said: Mapping[str, str | int] = field(default_factory=dict)  # parameters of each request, beside the declaration

    def tensors(self, start: int, stop: int) -> Tensors:
        """The inputs of the request of these rows: `categorical` object [N, C] of str, `numeric` float32 [N, M]."""
        found: Tensors = {}
        if self.texts.width:
            parts = [column.slice(start, stop - start).to_numpy() for column in self.texts]
            found[CATEGORICAL] = np.stack(parts, axis=1).astype(object, copy=False)
        if self.floats_NM.shape[1]:
            found[NUMERIC] = self.floats_NM[start:stop]
        if self.images is not None:
            found[IMAGE] = np.array(self.images[start:stop], dtype=object)[:, None]
        if self.keys is not None:
            found[KEY] = np.array(self.keys[start:stop], dtype=object)[:, None]
        return found


def batch_of(model: ServedModel, frame: Any, images: Images | None, check: bool, noted: Noted = NOTHING_NOTED) -> RequestBatch:
    """The frame's rows as requests to `model`. Raises BrokenRows, and ValueError where columns, images or keys are not right."""
    request = model.request
    names = column_names(frame)
    columns, lists = needed_columns(request, names), needed_lists(request, names)
    whole = {column.name for column in lists}
    taken = [*(c.name for c in columns if c.derive_from is None and c.slot_of not in whole), *whole]
    rows = typed(as_polars(frame, taken), columns, check, lists)
    # all columns in one query: `strings` and `numbers` do with an expression what they do with a series
    packed = rows.select(
        *(strings(pl.col(c.name)) for c in request.categorical), *(numbers(pl.col(c.name)) for c in request.numeric)
    )
    floats = [packed[c.name].to_numpy() for c in request.numeric]
    per_row = None if images is None else images_of(model, rows, images)
    texts = packed.select(c.name for c in request.categorical)
    sizes = [text_sizes(texts)] if texts.width else []
    sizes += [] if per_row is None else [np.array([len(image) for image in per_row])]
    return RequestBatch(
        texts=texts,
        floats_NM=np.stack(floats, axis=1) if floats else np.empty((len(rows), 0), dtype=np.float32),
        images=per_row,
        pieces=pieces(len(rows), model.max_rows, sizes, model.max_request_bytes),
        digest=request.digest,
        keys=noted.key_bytes(model, len(rows)),
        said=noted.parameters,
    )


def images_of(model: ServedModel, rows: pl.DataFrame, images: Images) -> list[bytes] | None:
    """The image of each row's creative, b"" where none is given; None if no row has one. Raises ValueError."""
    name = model.request.creative
    if name is None:
        raise ValueError("images are given, but the served model looks at no images; leave them out")
    if isinstance(images, pl.DataFrame):
        if not {"creative_id", "image"} <= {*images.columns}:
            raise ValueError(f"images need the columns creative_id and image, got {', '.join(images.columns)}")
        images = dict(zip(images["creative_id"].cast(pl.String), images["image"], strict=True))
    creatives = strings(rows[name])
    found = {}
    for creative in creatives.unique():
        image = images.get(creative)
        if image is None and rows.schema[name].is_integer() and creative:
            image = images.get(int(creative))
        if image:
            found[creative] = _checked_image(creative, image, model.max_image_bytes)
    return [found.get(creative, b"") for creative in creatives] if found else None


def _checked_image(creative: str, image: Any, max_bytes: int) -> bytes:
    if not isinstance(image, bytes | bytearray | memoryview):
        raise ValueError(f"the image of creative '{creative}' is of type {type(image).__name__}, expected the bytes of its file")
    if len(image) > max_bytes:
        raise ValueError(f"the image of creative '{creative}' has {len(image)} bytes, the server takes at most {max_bytes}")
    return bytes(image)


def text_sizes(texts: pl.DataFrame) -> np.ndarray:
    """Bytes of the strings of each row."""
    return texts.select(pl.sum_horizontal(pl.all().str.len_bytes().cast(pl.Int64))).to_series().to_numpy()


def pieces(num_rows: int, max_rows: int, sizes: list[np.ndarray], max_bytes: int) -> list[tuple[int, int]]:
    """Cut rows into requests of at most `max_rows` rows and `max_bytes` of each of `sizes` [N], in order and as few as can be."""
    heavy = [sizes_N for sizes_N in sizes if sizes_N.max(initial=0) * max_rows > max_bytes]
    if not heavy:
        return [(start, min(start + max_rows, num_rows)) for start in range(0, num_rows, max_rows)]
    all_ends = [np.concatenate([[0], np.cumsum(sizes_N)]) for sizes_N in heavy]
    found, start = [], 0
    while start < num_rows:
        fitting = min(int(np.searchsorted(ends, ends[start] + max_bytes, side="right")) - 1 for ends in all_ends)
        stop = min(max(fitting, start + 1), start + max_rows, num_rows)
        found.append((start, stop))
        start = stop
    return found
