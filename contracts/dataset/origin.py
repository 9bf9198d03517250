"""Where the values of a column come from, where not from a column of every file: what may be declared of that."""

from typing import TYPE_CHECKING

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
        (column.since != "", "since names the first month that has the column, such as 2026-05"),
    ]
