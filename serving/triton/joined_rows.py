"""The rows of all requests of a batch side by side, and which requests among them are refused.

Shape letters: N rows of all requests, C categorical columns, M numeric columns.
"""

from bisect import bisect_right
from collections.abc import Iterable
from itertools import accumulate

import numpy as np

from serving.triton.joined_text import JoinedText, TextJoiner, Unusual
from serving.triton.packed_request import PackedRequest, RequestReader
from serving.triton.refusal import Refused


class JoinedRows:
    """Rows of several requests. A refused request's rows stay: the graph answers them and nobody reads it.

    `text` holds the strings; None if requests have none. `came` is the same as they came, where they lie in the requests' bytes;
    None if one of them is unusual.
    """

    def __init__(self, requests: list[PackedRequest], joiner: TextJoiner | None, reader: RequestReader) -> None:
        self.requests = requests
        self.ends = [*accumulate(request.num_rows for request in requests)]
        self.num_rows = self.ends[-1]
        self.refusals: list[Refused | None] = [None] * len(requests)
        self.numeric_NM = requests[0].numeric_NM if len(requests) == 1 else np.concatenate([r.numeric_NM for r in requests])
        self._joiner = joiner
        self.came: JoinedText | None = None
        self.text = None if joiner is None else self._joined(joiner, reader)

    def _joined(self, joiner: TextJoiner, reader: RequestReader) -> JoinedText:
        try:
            self.came = joiner.join([request.raw for request in self.requests], self.num_rows)
            return self.came
        except Unusual:
            return joiner.spelled([row for i in range(len(self.requests)) for row in self._spelled(i, reader)])

    def _spelled(self, number: int, reader: RequestReader) -> list[list[str]]:
        """A request's strings; if they are none it is refused, and empty ones stand for them."""
        request = self.requests[number]
        try:
            return reader.strings(request)
        except Refused as refusal:
            self.refuse(number, refusal)
            return [[""] * len(reader.categorical)] * request.num_rows

    def replace(self, strings: dict[tuple[int, int], str]) -> None:
        """Put other strings in these places (row, column)."""
        rows = self.text.strings()
        for (row, column), value in strings.items():
            rows[row][column] = value
        self.text = self._joiner.spelled(rows)

    def place(self, row: int) -> tuple[int, int]:
        """Request and row within it."""
        request = bisect_right(self.ends, row)
        return request, row - (self.ends[request - 1] if request else 0)

    def refuse(self, request: int, refusal: Refused) -> None:
        """The first reason stays."""
        self.refusals[request] = self.refusals[request] or refusal

    def images(self) -> Iterable[tuple[int, int, int, bytes]]:
        """Request, row within it, joined row and content of every image that was sent along."""
        for i, request in enumerate(self.requests):
            if request.images is None:
                continue
            start = self.ends[i] - request.num_rows
            for row, image in enumerate(request.images):
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
        starts = [0, *self.ends]
        return [
            values_N[start:end] if refusal is None else refusal
            for start, end, refusal in zip(starts, self.ends, self.refusals, strict=False)
        ]
