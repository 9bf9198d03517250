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
