"""In what two declarations differ, as far as it decides whether their models can be compared on the same rows."""

from __future__ import annotations

from dataclasses import asdict

from contracts.dataset.columns import Column
from contracts.dataset.declaration import UNREQUESTED, Declaration


def difference(before: Declaration, now: Declaration) -> str | None:
    """One clause that names what keeps the two apart, None if nothing does.

    `now` may have more columns than `before` if they are nullable or no feature: requests written for `before` can then still be
    answered, with the new columns missing.
    """
    if before.name != now.name:
        return f"the data set is '{now.name}', the champion's was '{before.name}'"
    for column in before.columns:
        found = now.column(column.name)
        if found is None:
            return f"column '{column.name}' is gone"
        changed = _changed(column, found)
        if changed is not None:
            key, old, new = changed
            return f"column '{column.name}' has {key} {new!r}, the champion's had {old!r}"
    for column in new_columns(before, now):
        if column.is_feature and not column.nullable:
            return f"column '{column.name}' is new and not nullable, so requests written for the champion lack a value"
    if (before.images is None) != (now.images is None):
        return f"creatives have {'no ' if now.images is None else ''}images now"
    return None


def new_columns(before: Declaration, now: Declaration) -> list[Column]:
    """Columns that only `now` has, in its order."""
    return [column for column in now.columns if before.column(column.name) is None]


def _changed(before: Column, now: Column) -> tuple[str, object, object] | None:
    old, new = asdict(before), asdict(now)
    key = next((key for key in old if key not in UNREQUESTED and old[key] != new[key]), None)
    return None if key is None else (key, old[key], new[key])
