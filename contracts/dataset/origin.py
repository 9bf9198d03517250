"""Where the values of a column come from, where not from a column of every file, and in which unit numbers are written: what may
be declared of that.
"""

import math
import re
from dataclasses import replace
from typing import TYPE_CHECKING

from contracts.dataset.computed import as_callers_count

if TYPE_CHECKING:
    from contracts.dataset.columns import Column

Rules = list[tuple[bool, str]]  # is it kept, and what to say where it is not


def origin_rules(column: "Column") -> Rules:
    """The rules that a column keeps which not every file holds."""
    computed = column.derive_from is not None
    return [
        (
            column.since is None or column.role not in ("label", "key", "time"),
            f"role {column.role} is needed in every month, so it has no since",
        ),
        (column.since is None or not computed, f"since belongs to '{column.derive_from}', from which this column is computed"),
        (column.folder is None or not computed, "its value comes from a folder's name or is computed, not both"),
        (
            column.folder is None or (column.role not in ("key", "entity") and not column.unique),
            f"all rows of a file have the value of its folder, so it is no {'unique one' if column.unique else column.role}",
        ),
        (column.folder is None or column.since is None, "a folder's name says the value in every month, so it has no since"),
        (
            column.folder is None or not set("=/%") & set(column.folder or "="),
            "folder is the name before the '=' in a path such as site=3/part.parquet: site",
        ),
        (column.since != "", "since names the first month that has the column, such as 2026-05"),
    ]


def computed_rules(column: "Column") -> Rules:
    """The rules that a column keeps which is computed from times."""
    has_part, has_difference = column.part is not None, (column.minus is not None, column.unit is not None)
    return [
        (
            (column.derive_from is not None) == (has_part or any(has_difference)),
            "derive_from and part are given together, or derive_from, minus and unit",
        ),
        (all(has_difference) or not any(has_difference), "minus and unit are given together"),
        (not has_part or not any(has_difference), "part or minus: a part of a time, or the difference of two"),
        (column.minus is None or column.minus != column.derive_from, f"'{column.minus}' minus itself is nothing"),
        (not has_part or column.dtype == "int", "a derived column has dtype int"),
        (column.minus is None or column.dtype in ("int", "float"), f"a difference has dtype int or float, got {column.dtype}"),
    ]


def unit_rules(column: "Column") -> Rules:
    """The rules that a column keeps which files write in another unit than the declared one."""
    written = column.suffix is not None or column.scale is not None
    return [
        (not written or column.role == "numeric", f"suffix and scale need role numeric, got {column.role}"),
        (
            column.suffix is None or re.fullmatch(r"[^\s\d.,+-](?:[^\d\n]*[^\s\d])?", column.suffix) is not None,
            f"suffix is what stands behind the digits, such as '%', without digits and blanks around it, got {column.suffix!r}",
        ),
        (
            column.scale is None or (math.isfinite(column.scale) and column.scale > 0),
            f"scale is a number above 0 by which what is written is multiplied, such as 0.01, got {column.scale}",
        ),
        (not (written and column.derive_from), "a computed column is written nowhere, so it has no suffix and no scale"),
    ]


def in_declared_unit(column: "Column") -> "Column":
    """The column where its numbers are in the declared unit already: what files write for a missing one is no such number."""
    if column.scale is None:
        return replace(column, suffix=None)
    return replace(column, suffix=None, scale=None, missing=_texts(column))


def as_sent(column: "Column") -> "Column":
    """The column as callers of a served model send it: in the declared unit, unless a text bears the suffix."""
    column = replace(as_callers_count(column), since=None, folder=None)
    if column.scale is None:
        return column
    return in_declared_unit(column) if column.suffix is None else replace(column, missing=_texts(column))


def _texts(column: "Column") -> tuple[str | int | float, ...]:
    return tuple(marker for marker in column.missing if not _is_number(marker))


def _is_number(marker: str | int | float) -> bool:
    try:
        return math.isfinite(float(marker))
    except (ValueError, OverflowError):
        return isinstance(marker, int)
