"""The declared rules of the columns of a request, as the served model checks them.

A string that the vocabulary knows has passed the contract before training, so only strangers are looked at: they have
to be text of a bearable length, and a number or truth value of the declared range where the column holds such. A
stranger that obeys is an unknown category: counted, not refused.

Shape letters: N rows, C categorical columns, M numeric columns, F fields.
"""

import math
from typing import Any, Protocol

import numpy as np

from contracts.tables.spellings import WHITE, Misspelt, TooLarge, truth, whole_number
from serving.triton.graph import Answer
from serving.triton.joined_rows import JoinedRows
from serving.triton.joined_text import JoinedText
from serving.triton.refusal import FITS_INT64, Refused, bound, refused_value

UNKNOWN_ID, MISSING_ID = 0, 1


class TextRows(Protocol):
    """Rows whose strings are looked at: `JoinedRows`, or rows of the journal."""

    text: JoinedText | None

    def place(self, row: int) -> tuple[int, int]: ...
    def refuse(self, request: int, refusal: Refused) -> None: ...
    def replace(self, strings: dict[tuple[int, int], str]) -> None: ...


class StringRules:
    """What the string columns' values have to obey.

    `field` of a column is its place in cat_idx; a creative whose id is no feature has none, only its creative_idx.
    """

    def __init__(self, columns: list[dict[str, Any]], max_string_bytes: int) -> None:
        self._columns, self._max_string_bytes = columns, max_string_bytes
        self._missing = [frozenset(("", *column["missing"])) for column in columns]
        self._missing_numbers = [column["missing_numbers"] for column in columns]
        self._fields = [column["field"] for column in columns]
        checked = [i for i, column in enumerate(columns) if column["used"]]
        # text without markers of its own can only be too long, which its number of bytes tells
        self._read = [i for i in checked if columns[i]["dtype"] != "string" or columns[i]["missing"]]
        self._texts = [i for i in checked if i not in self._read]
        limits = (columns[i]["max_length"] for i in self._texts)
        self._longest = [max_string_bytes if limit is None else limit for limit in limits]
        self._shortest_limit = min(self._longest, default=max_string_bytes)
        self._required = [i for i in checked if not columns[i]["nullable"]]

    def respell(self, rows: TextRows, found: Answer) -> bool:
        """Check the strangers, and spell those as the vocabulary does that mean something it may know; True if any.

        Refuses requests in `rows`, changes its strings.
        """
        if rows.text is None:
            return False
        respelt = {}
        for i in (*self._too_long(rows), *self._strange(found)):
            for row in np.flatnonzero(self._ids(i, found) == UNKNOWN_ID).tolist():
                value = rows.text.string(row, i)
                try:
                    spelt = self._canonical(i, value)
                except Refused as broken:
                    request, place = rows.place(row)
                    rows.refuse(request, refused_value(self._columns[i]["name"], place, value, broken.rule, str(broken)))
                    continue
                if spelt != value:
                    respelt[row, i] = spelt
        if respelt:
            rows.replace(respelt)
        return bool(respelt)

    def require(self, rows: JoinedRows) -> None:
        """Refuse requests that lack a value of a column that needs one."""
        if rows.text is None or rows.text.lengths_NC.all():
            return
        for i in self._required:
            for row in np.flatnonzero(rows.text.lengths_NC[:, i] == 0).tolist():
                request, place = rows.place(row)
                rows.refuse(request, refused_value(self._columns[i]["name"], place, "", "not_null", "a value is required"))

    def _too_long(self, rows: TextRows) -> list[int]:
        """Columns of texts with one that may be too long: bytes are at least as many as characters."""
        lengths_NC = rows.text.lengths_NC
        if lengths_NC.max() <= self._shortest_limit:
            return []
        return [i for i, limit in zip(self._texts, self._longest, strict=True) if (lengths_NC[:, i] > limit).any()]

    def _strange(self, found: Answer) -> list[int]:
        """Columns that have to be read and hold a value that the vocabulary does not know."""
        has_F = (found.cat_idx_NF == UNKNOWN_ID).any(axis=0).tolist()
        return [i for i in self._read if self._fields[i] is None or has_F[self._fields[i]]]

    def _ids(self, i: int, found: Answer) -> np.ndarray:
        field = self._fields[i]
        return found.creative_idx_N if field is None else found.cat_idx_NF[:, field]

    def _canonical(self, i: int, value: str) -> str:
        """The vocabulary's spelling, "" for a missing marker. Raises Refused with what was expected."""
        column = self._columns[i]
        longest = column["max_length"]
        if longest is not None and len(value) > longest:
            raise Refused("max_length", f"at most {longest} characters")
        if longest is None and len(value.encode()) > self._max_string_bytes:
            raise Refused("max_length", f"at most {self._max_string_bytes} bytes")
        if value in self._missing[i] or (column["dtype"] != "string" and value.strip(WHITE) in self._missing[i]):
            return ""
        if column["dtype"] == "int":
            number = _whole(value)
            return "" if number in self._missing_numbers[i] else _in_range(number, column["min"], column["max"])
        if column["dtype"] == "bool":
            return _truth(value)
        return value


class NumericRules:
    """Bounds of all numeric columns at once."""

    def __init__(self, columns: list[dict[str, Any]]) -> None:
        self._columns = columns
        self._low_M = np.array([c["low"] for c in columns], dtype=np.float32)
        self._high_M = np.array([c["high"] for c in columns], dtype=np.float32)
        self._nullable_M = np.array([c["nullable"] or not c["used"] for c in columns], dtype=bool)
        self._given = np.flatnonzero(~self._nullable_M)
        self._whole = np.flatnonzero([c["dtype"] == "int" for c in columns])
        self._markers = [
            (j, np.array(c["missing_numbers"], dtype=np.float32)) for j, c in enumerate(columns) if c["missing_numbers"]
        ]

    def check(self, rows: JoinedRows) -> None:
        """Refuse requests with a value that its column does not allow; a missing marker in `rows` becomes NaN."""
        x_NM = rows.numeric_NM
        if self._markers:
            x_NM = rows.numeric_NM = x_NM.copy()
            for j, markers in self._markers:
                x_NM[np.isin(x_NM[:, j], markers), j] = np.nan
        if self._surely_fit(x_NM):
            return
        fits = (x_NM >= self._low_M) & (x_NM <= self._high_M)
        fits[:, self._whole] &= x_NM[:, self._whole] == np.floor(x_NM[:, self._whole])
        fits |= np.isnan(x_NM) & self._nullable_M
        if not fits.all():
            for row in np.flatnonzero(~fits.all(axis=1)).tolist():
                request, place = rows.place(row)
                rows.refuse(request, self._refusal(x_NM[row], fits[row], place))

    def _surely_fit(self, x_NM: np.ndarray) -> bool:
        """Nothing is out of its range, nor missing or broken where it must not be: told in few operations."""
        if ((x_NM < self._low_M) | (x_NM > self._high_M)).any() or np.isnan(x_NM[:, self._given]).any():
            return False
        whole = x_NM[:, self._whole]
        return not (whole - np.floor(whole) > 0).any()

    def _refusal(self, x_M: np.ndarray, fits_M: np.ndarray, row: int) -> Refused:
        j = int(np.flatnonzero(~fits_M)[0])
        column, value = self._columns[j], float(x_M[j])
        if math.isnan(value):
            rule, expected = "not_null", "a value is required"
        elif math.isinf(value):
            rule, expected = "finite", "a finite number"
        elif value < self._low_M[j]:
            rule, expected = ("int64", FITS_INT64) if column["min"] is None else ("min", f"at least {bound(column['min'])}")
        elif value > self._high_M[j]:
            rule, expected = ("int64", FITS_INT64) if column["max"] is None else ("max", f"at most {bound(column['max'])}")
        else:
            rule, expected = "dtype", "a whole number"
        return refused_value(column["name"], row, value, rule, expected)


def _whole(value: str) -> int:
    """The number that a text means. Raises Refused."""
    try:
        return whole_number(value)
    except TooLarge:
        raise Refused("int64", FITS_INT64) from None
    except Misspelt:
        raise Refused("dtype", "a whole number, written as text") from None


def _truth(value: str) -> str:
    """The vocabulary's spelling of a truth value. Raises Refused."""
    try:
        return "true" if truth(value) else "false"
    except Misspelt:
        raise Refused("dtype", "true or false") from None


def _in_range(number: int, low: float | None, high: float | None) -> str:
    if low is not None and number < low:
        raise Refused("min", f"at least {bound(low)}")
    if high is not None and number > high:
        raise Refused("max", f"at most {bound(high)}")
    return str(number)
