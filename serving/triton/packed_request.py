"""Reads one request: its packed tensors as bytes of strings, floats and images, or why it is refused.

Shape letters: N rows, C categorical columns, M numeric columns.
"""

import json
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from contracts.serving.packed_text import PREFIX
from serving.triton.joined_text import LENGTH, cut
from serving.triton.refusal import Refused, quoted, refused_value

CATEGORICAL, NUMERIC, IMAGE, KEY = "categorical", "numeric", "creative_image", "key"
EVENT_TIME_MS, NOT_SENT = "event_time_ms", -(2**63)  # parameter of a request; its time if there is none
MOST_MS, NS_PER_MS = (2**63 - 1) // 1_000_000, 1_000_000
LONGEST_KEY = 256  # bytes
MAGIC = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff")


@dataclass(frozen=True, kw_only=True)
class PackedRequest:
    """The rows of one request, not yet checked against the columns' rules."""

    num_rows: int
    raw: np.ndarray | None  # uint8, strings behind their lengths, row by row, not yet looked at; None without such columns
    numeric_NM: np.ndarray  # float32
    images: list[bytes] | None  # one a row, b"" for none
    request_id: str = ""  # the caller's
    event_ns: int = NOT_SENT  # since 1970
    keys: list[bytes] | None = None  # one a row
    parameters: dict[str, Any] = field(default_factory=dict)  # as the caller sent them


class RawStrings(np.ndarray):
    """A BYTES tensor as it came, uint8; Triton gives what it takes for strings the tensor's shape."""

    def reshape(self, *shape: Any, **order: Any) -> "RawStrings":
        return self


def take_raw_strings() -> None:
    """From now on Triton hands BYTES tensors to this process as they came; it would cut them in Python, one by one."""
    import triton_python_backend_utils as pb_utils  # there inside Triton only; what reads requests is used elsewhere too

    pb_utils.deserialize_bytes_tensor = lambda raw: raw.view(RawStrings)


def as_raw(values: np.ndarray) -> np.ndarray:
    """A BYTES tensor as it came, uint8, also if this Triton has cut it after all."""
    if values.dtype != object:
        return values
    parts = (LENGTH.pack(len(value)) + value for value in values.ravel().tolist())
    return np.frombuffer(b"".join(parts), dtype=np.uint8)


@dataclass(frozen=True, kw_only=True)
class RequestReader:
    """Knows the shape that requests must have."""

    categorical: list[str]
    numeric: list[str]
    digest: str
    limits: dict[str, Any]

    def read(self, request: Any) -> PackedRequest:
        """The request's rows. Raises Refused."""
        parameters = request.parameters()
        sent = json.loads(parameters) if parameters else {}
        self._same_declaration(sent.get("declaration"))
        tensors = {tensor.name(): tensor for tensor in request.inputs()}
        raw, num_rows, numeric = None, 0, None
        if self.categorical:
            num_rows = self._rows(tensors, CATEGORICAL, self.categorical, "BYTES")
            raw = as_raw(tensors[CATEGORICAL].as_numpy())
            self._bearable(raw, num_rows)
        if self.numeric:
            num_rows = self._rows(tensors, NUMERIC, self.numeric, "FP32")
            numeric = tensors[NUMERIC].as_numpy()
        else:
            numeric = np.empty((num_rows, 0), dtype=np.float32)
        image, key = tensors.get(IMAGE), tensors.get(KEY)
        return PackedRequest(
            num_rows=num_rows,
            raw=raw,
            numeric_NM=numeric,
            images=None if image is None else self._images(image, num_rows),
            request_id=request.request_id(),
            event_ns=_event_ns(sent.get(EVENT_TIME_MS)),
            keys=None if key is None else _keys(key, num_rows),
            parameters=sent,
        )

    def strings(self, request: PackedRequest) -> list[list[str]]:
        """The request's strings, row by row, each looked at. Raises Refused for bytes that are no text."""
        width = len(self.categorical)
        try:
            values = cut(request.raw.tobytes())
        except ValueError as error:
            raise Refused("shape", f"input '{CATEGORICAL}' is no BYTES tensor: {error}") from None
        if len(values) != request.num_rows * width:
            raise Refused("shape", f"input '{CATEGORICAL}' holds {len(values)} strings, its shape {request.num_rows} x {width}")
        found = []
        for place, value in enumerate(values):
            try:
                found.append(value.decode())
            except UnicodeDecodeError:
                row, column = divmod(place, width)
                raise refused_value(self.categorical[column], row, value, "encoding", "text in UTF-8") from None
        return [found[start : start + width] for start in range(0, len(found), width)]

    def _same_declaration(self, sent: Any) -> None:
        if sent is not None and sent != self.digest:
            raise Refused(
                "declaration",
                f"the request was made for another declaration ({str(sent)[:12]}), this model takes {self.digest[:12]}; "
                "read the order of columns from the model's parameters and build the request anew",
            )

    def _rows(self, tensors: dict[str, Any], name: str, columns: list[str], dtype: str) -> int:
        """Number of rows of a packed tensor."""
        expected = f"{dtype} [rows, {len(columns)}]"
        if name not in tensors:
            raise Refused("missing_tensor", f"input '{name}' is missing; send {expected}: {_some(columns)}")
        shape = tensors[name].shape()
        if len(shape) != 2 or shape[1] != len(columns):
            raise Refused("shape", f"input '{name}' has shape {list(shape)}, expected {expected}: {_some(columns)}")
        return shape[0]

    def _bearable(self, raw: np.ndarray, num_rows: int) -> None:
        most, total = self.limits["max_request_bytes"], raw.size - PREFIX * num_rows * len(self.categorical)
        if total > most:
            raise Refused("request_size", f"input '{CATEGORICAL}' holds {total} bytes, at most {most} a request; send fewer rows")

    def _images(self, tensor: Any, num_rows: int) -> list[bytes] | None:
        images = _one_a_row(tensor, IMAGE, "image", num_rows)
        for row, image in enumerate(images):
            if len(image) > self.limits["max_image_bytes"]:
                raise Refused(
                    "image_size", f"input '{IMAGE}', row {row}: {len(image)} bytes, at most {self.limits['max_image_bytes']}"
                )
            if image and not image.startswith(MAGIC):
                raise Refused("image", f"input '{IMAGE}', row {row}: no PNG or JPEG file; send the file's bytes as they are")
        total = sum(map(len, images))
        if total > self.limits["max_request_bytes"]:
            raise Refused(
                "request_size",
                f"input '{IMAGE}' holds {total} bytes, at most {self.limits['max_request_bytes']} a request; send fewer rows",
            )
        return images if total else None


def _one_a_row(tensor: Any, name: str, what: str, num_rows: int) -> list[bytes]:
    """The strings of a tensor BYTES [rows, 1]. Raises Refused."""
    shape = tensor.shape()
    if len(shape) != 2 or shape[1] != 1:
        article = "an" if what[0] in "aeiou" else "a"
        raise Refused("shape", f"input '{name}' has shape {list(shape)}, expected BYTES [rows, 1]: {article} {what} a row")
    try:
        found = cut(as_raw(tensor.as_numpy()).tobytes())
    except ValueError as error:
        raise Refused("shape", f"input '{name}' is no BYTES tensor: {error}") from None
    if len(found) != num_rows:
        raise Refused("shape", f"input '{name}' holds {len(found)} {what}s for {num_rows} rows; send one a row, or none")
    return found


def _keys(tensor: Any, num_rows: int) -> list[bytes]:
    keys = _one_a_row(tensor, KEY, "key", num_rows)
    for row, key in enumerate(keys):
        if len(key) > LONGEST_KEY:
            raise Refused("key", f"input '{KEY}', row {row}: {len(key)} bytes, at most {LONGEST_KEY}")
        try:
            key.decode()
        except UnicodeDecodeError:
            raise Refused("key", f"input '{KEY}', row {row}: {quoted(key)} is no text in UTF-8") from None
    return keys


def _event_ns(sent: Any) -> int:
    if sent is None:
        return NOT_SENT
    if not isinstance(sent, int) or isinstance(sent, bool) or abs(sent) > MOST_MS:
        raise Refused(
            "event_time", f"parameter '{EVENT_TIME_MS}' is {quoted(sent)}, expected a whole number: milliseconds since 1970"
        )
    return sent * NS_PER_MS


def _some(columns: list[str]) -> str:
    return ", ".join(columns[:4]) + (f" and {len(columns) - 4} more" if len(columns) > 4 else "")
