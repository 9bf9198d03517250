"""The rows of all requests of a batch side by side, and which requests among them are refused.

Shape letters: N rows of all requests, C categorical columns, M numeric columns.
"""

from collections.abc import Iterable

import numpy as np

from serving.triton.packed_request import PackedRequest
from serving.triton.refusal import Refused


class JoinedRows:
    """Rows of several requests. A refused request's rows stay: the graph answers them and nobody reads it."""

    def __init__(self, requests: list[PackedRequest], num_strings: int) -> None:
        self.requests = requests
        self.ends = np.cumsum([request.num_rows for request in requests])
        self.num_rows = int(self.ends[-1]) if requests else 0
        flat = requests[0].strings if len(requests) == 1 else [value for r in requests for value in r.strings]
        self.strings_CN = np.array(flat, dtype=object).reshape(self.num_rows, num_strings).T.copy()
        self.numeric_NM = requests[0].numeric_NM if len(requests) == 1 else np.concatenate([r.numeric_NM for r in requests])
        self.refusals: list[Refused | None] = [None] * len(requests)

    def place(self, row: int) -> tuple[int, int]:
        """Request and row within it."""
        request = int(np.searchsorted(self.ends, row, side="right"))
        return request, row - (int(self.ends[request - 1]) if request else 0)

    def refuse(self, request: int, refusal: Refused) -> None:
        """The first reason stays."""
        self.refusals[request] = self.refusals[request] or refusal

    def images(self) -> Iterable[tuple[int, int, int, bytes]]:
        """Request, row within it, joined row and content of every image that was sent along."""
        for i, request in enumerate(self.requests):
            start = int(self.ends[i]) - request.num_rows
            for row, image in enumerate(request.images or ()):
                if image:
                    yield i, row, start + row, image

    def answered(self) -> np.ndarray | slice:
        """The rows of requests that are not refused."""
        if not any(self.refusals):
            return slice(None)
        fine = np.array([refusal is None for refusal in self.refusals])
        return np.repeat(fine, [request.num_rows for request in self.requests])

    def split(self, values_N: np.ndarray) -> list[np.ndarray | Refused]:
        """The values of each request, or why it is refused."""
        parts = np.split(values_N, self.ends[:-1]) if len(self.requests) > 1 else [values_N]
        return [part if refusal is None else refusal for part, refusal in zip(parts, self.refusals, strict=True)]
