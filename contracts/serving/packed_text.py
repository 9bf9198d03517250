"""All strings of a batch as one text: how serving hands them to `ctr_packed.onnx`, and how the export spells its keys.

Each string stands behind four ASCII characters: the separator twice, then the two digits of its column. Triton puts four
bytes before each string as well (its length), so a text is made from a request's bytes in place. One string costs ONNX
Runtime far less than many: no Python object and no conversion for each.

Shape letters: N rows, C columns.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

SEPARATORS = "\x1f\x1e\x1d\x1c"  # ASCII's own separators; a text uses one, values with any of them are rare
DIGITS = bytes(range(33, 127)).replace(b"\\", b"")
PREFIX = 4  # bytes before each string


def free_separator(values: Iterable[str]) -> str:
    """A separator that no value holds. Raises ValueError if there is none."""
    used = {letter for value in values for letter in SEPARATORS if letter in value}
    free = [letter for letter in SEPARATORS if letter not in used]
    if not free:
        raise ValueError("the vocabulary holds all of ASCII's separators (0x1c to 0x1f); remove one of them from the data")
    return free[0]


def column_code(place: int) -> str:
    """Two ASCII characters that name a column."""
    high, low = divmod(place, len(DIGITS))
    return chr(DIGITS[high]) + chr(DIGITS[low])


def delimiter(separator: str) -> str:
    """What stands before every string's column code."""
    return separator * 2


def codes_of(columns: Sequence[dict[str, Any]]) -> list[int]:
    """Whose code each column of `request.json` bears: its own, or where columns have one vocabulary that of the first of them."""
    return [column.get("code", place) for place, column in enumerate(columns)]


def prefixes(num_columns: int, separator: str, codes: Sequence[int] | None = None) -> np.ndarray:
    """The characters before the strings of a row, uint8 [C, 4]; each column bears its own code where `codes` are not given."""
    places = range(num_columns) if codes is None else codes
    marks = [(delimiter(separator) + column_code(place)).encode("ascii") for place in places]
    return np.frombuffer(b"".join(marks), dtype=np.uint8).reshape(num_columns, PREFIX)


def text_of(rows: Iterable[Iterable[str]], separator: str, codes: Sequence[int] | None = None) -> str:
    """The text of rows of strings, the long way. A value's own separators become U+FFFD: such a value is unknown anyhow."""
    start = delimiter(separator)
    return "".join(
        start + column_code(place if codes is None else codes[place]) + value.replace(separator, "\ufffd")
        for row in rows
        for place, value in enumerate(row)
    )
