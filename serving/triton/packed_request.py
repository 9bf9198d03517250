"""Reads one request: its packed tensors as strings, floats and images, or why it is refused.

Shape letters: N rows, C categorical columns, M numeric columns.
"""

import json
from dataclasses import dataclass
from typing import Any

import numpy as np
import triton_python_backend_utils as pb_utils

from serving.triton.refusal import Refused, refused_value

CATEGORICAL, NUMERIC, IMAGE = "categorical", "numeric", "creative_image"
MAGIC = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff")


@dataclass(frozen=True, kw_only=True)
class PackedRequest:
    """The rows of one request, not yet checked against the columns' rules."""

    num_rows: int
    strings: list[str]  # row by row, C a row
    numeric_NM: np.ndarray  # float32
    images: list[bytes] | None  # one a row, b"" for none


@dataclass(frozen=True, kw_only=True)
class RequestReader:
    """Knows the shape that requests must have."""

    categorical: list[str]
    numeric: list[str]
    digest: str
    limits: dict[str, Any]

    def read(self, request: Any) -> PackedRequest:
        """The request's rows. Raises Refused."""
        self._same_declaration(request)
        strings, num_rows = [], None
        if self.categorical:
            raw = self._tensor(request, CATEGORICAL, self.categorical, "BYTES")
            num_rows, strings = len(raw), self._decoded(raw)
        if self.numeric:
            numeric = self._tensor(request, NUMERIC, self.numeric, "FP32")
        else:
            numeric = np.empty((num_rows or 0, 0), dtype=np.float32)
        return PackedRequest(num_rows=len(numeric), strings=strings, numeric_NM=numeric, images=self._images(request))

    def _same_declaration(self, request: Any) -> None:
        parameters = request.parameters()
        sent = json.loads(parameters).get("declaration") if parameters else None
        if sent is not None and sent != self.digest:
            raise Refused(
                "declaration",
                f"the request was made for another declaration ({str(sent)[:12]}), this model takes {self.digest[:12]}; "
                "read the order of columns from the model's parameters and build the request anew",
            )

    def _tensor(self, request: Any, name: str, columns: list[str], dtype: str) -> np.ndarray:
        tensor = pb_utils.get_input_tensor_by_name(request, name)
        expected = f"{dtype} [rows, {len(columns)}]"
        if tensor is None:
            raise Refused("missing_tensor", f"input '{name}' is missing; send {expected}: {_some(columns)}")
        values = tensor.as_numpy()
        if values.ndim != 2 or values.shape[1] != len(columns):
            raise Refused("shape", f"input '{name}' has shape {list(values.shape)}, expected {expected}: {_some(columns)}")
        return values

    def _decoded(self, raw_NC: np.ndarray) -> list[str]:
        flat = raw_NC.ravel().tolist()
        most = self.limits["max_request_bytes"]
        if len(flat) * self.limits["max_string_bytes"] > most and (total := sum(map(len, flat))) > most:
            raise Refused("request_size", f"input '{CATEGORICAL}' holds {total} bytes, at most {most} a request; send fewer rows")
        try:
            return [value.decode() for value in flat]
        except UnicodeDecodeError:
            place = next(i for i, value in enumerate(flat) if _undecodable(value))
            row, column = divmod(place, len(self.categorical))
            raise refused_value(self.categorical[column], row, flat[place], "encoding", "text in UTF-8") from None

    def _images(self, request: Any) -> list[bytes] | None:
        tensor = pb_utils.get_input_tensor_by_name(request, IMAGE)
        if tensor is None:
            return None
        values = tensor.as_numpy()
        if values.ndim != 2 or values.shape[1] != 1:
            raise Refused("shape", f"input '{IMAGE}' has shape {list(values.shape)}, expected BYTES [rows, 1]: an image a row")
        images = values.ravel().tolist()
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


def _undecodable(value: bytes) -> bool:
    try:
        value.decode()
    except UnicodeDecodeError:
        return True
    return False


def _some(columns: list[str]) -> str:
    return ", ".join(columns[:4]) + (f" and {len(columns) - 4} more" if len(columns) > 4 else "")
