"""Requests that were made for one release, as another one takes them: columns that it has beside theirs are missing in every row.

serving/native/routing/layout.c does the same. Shape letters: N rows, C categorical columns, M numeric columns.
"""

from dataclasses import replace
from typing import Any

import numpy as np

from serving.triton.joined_text import LENGTH, cut
from serving.triton.packed_request import CATEGORICAL, NUMERIC, PackedRequest

ABSENT = -1


class Widening:
    """From the release whose tensors requests have to another one; both as `request.json` describes them.

    Raises ValueError if the other takes anything but the same columns and some that may be missing.
    """

    def __init__(self, asked: dict[str, Any], taken: dict[str, Any]) -> None:
        self._texts = _places(asked[CATEGORICAL], taken[CATEGORICAL])
        self._numbers = _places(asked[NUMERIC], taken[NUMERIC])
        self._num_texts = len(asked[CATEGORICAL])

    def of(self, request: PackedRequest) -> PackedRequest:
        """The request with this release's columns. Bytes that are no strings stay what they are, for its reader to refuse."""
        changed: dict[str, Any] = {}
        if self._texts is not None:
            changed["raw"] = self._rearranged(request)
        if self._numbers is not None:
            places = np.array(self._numbers)
            numeric_NM = np.full((request.num_rows, len(places)), np.nan, dtype=np.float32)
            numeric_NM[:, places != ABSENT] = request.numeric_NM[:, places[places != ABSENT]]
            changed["numeric_NM"] = numeric_NM
        return replace(request, **changed) if changed else request

    def _rearranged(self, request: PackedRequest) -> np.ndarray | None:
        width = self._num_texts
        try:
            values = [] if request.raw is None else cut(request.raw.tobytes())
        except ValueError:
            return request.raw
        if len(values) != request.num_rows * width:
            return request.raw
        spelt = [LENGTH.pack(len(value)) + value for value in values] + [LENGTH.pack(0)]
        parts = [
            spelt[-1 if place == ABSENT else row * width + place] for row in range(request.num_rows) for place in self._texts
        ]
        return np.frombuffer(b"".join(parts), dtype=np.uint8)


def _places(asked: list[dict[str, Any]], taken: list[dict[str, Any]]) -> list[int] | None:
    """Where the columns that are taken stand among those that are asked; None if it is the same list."""
    known = {column["name"]: place for place, column in enumerate(asked)}
    lost = known.keys() - {column["name"] for column in taken}
    if lost:
        raise ValueError(f"it does not take the column '{min(lost)}', which requests have in that tensor")
    for column in taken:
        if column["name"] not in known and column["used"] and not column["nullable"]:
            raise ValueError(f"its column '{column['name']}' must not be missing, and requests do not have it")
    places = [known.get(column["name"], ABSENT) for column in taken]
    return None if places == [*range(len(asked))] else places
