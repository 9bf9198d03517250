"""Cells with several values, as a request written by hand holds them, as the slots that the model takes.

The same slots as those that the pipeline makes of a file's cells (contracts/tables/lists/slots.py), without Polars, which
Triton's Python models do not import. Shape letters: N rows, W values a row, L slots.
"""

from decimal import Decimal, InvalidOperation
from typing import Any

import numpy as np


def slots_of_values(values_NW: np.ndarray, column: dict[str, Any]) -> np.ndarray:
    """The slots of a column of role set or sequence, bytes [N, L]. Values that are empty or a declared marker are none.

    `column` is what the model's configuration says of it. A value that is no number where numbers are meant is handed on:
    the model names it.
    """
    markers = {_comparable(str(marker).encode(), column) for marker in column.get("missing", ())} | {b""}
    found_NL = np.full((len(values_NW), column["longest"]), b"", dtype=object)
    for row, values in enumerate(values_NW.tolist()):
        there = [(key, value) for value in values if (key := _comparable(value, column)) not in markers]
        kept = _slots(there, column)
        found_NL[row, : len(kept)] = kept
    return found_NL


def _slots(values: list[tuple[Any, bytes]], column: dict[str, Any]) -> list[bytes]:
    longest = column["longest"]
    if column["role"] == "sequence":
        kept = values[:longest] if column.get("end") == "first" else values[-longest:]
        return [value for _, value in reversed(kept)]
    once: dict[Any, bytes] = {}
    for key, value in values:
        once.setdefault(key, value)
    return [once[key] for key in sorted(once, key=lambda key: (isinstance(key, bytes), key))][:longest]


def _comparable(value: bytes, column: dict[str, Any]) -> Any:
    """What makes two spellings one value and says which comes first: a whole number, or the bytes of the text."""
    if column["dtype"] != "int" or not value:
        return value
    try:
        number = Decimal(value.decode())
    except (InvalidOperation, UnicodeDecodeError):
        return value
    return int(number) if number.is_finite() and number == number.to_integral_value() else value
