"""Columns whose cells hold several values, in a file or by many rows of a side table: what may be declared, and their *slots*.

A column `tags` with `longest: 5` becomes the nullable categorical columns `tags[0]` to `tags[4]`, a value each. All that comes
after reading sees ordinary columns.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from contracts.dataset.columns import Column
    from contracts.dataset.source import Join

Fold = Literal["set", "count"]  # what several rows of a side table become: a set of their values, or how many they are
Rules = list[tuple[bool, str]]  # is it kept, and what to say where it is not

LIST_ROLES = ("set", "sequence")
MOST_SLOTS = 200
ELEMENT_KEYS = ("dtype", "missing", "min", "max", "values", "pattern", "max_length")  # hold for each value of a cell


def list_rules(column: "Column") -> Rules:
    """The rules that a column with several values keeps, and one without."""
    own = {"longest": column.longest, "delimiter": column.delimiter, "pool": column.pool, "vocabulary": column.vocabulary}
    if column.role not in LIST_ROLES:
        stray = next((key for key, value in {**own, "end": column.end}.items() if value is not None), None)
        return [(stray is None, f"{stray} is for roles set and sequence, got {column.role}")]
    unfit = {
        "unique": column.unique,
        "folder": column.folder is not None,
        "derive_from": column.derive_from is not None,
        "slot_of": column.slot_of is not None,
    }
    stray = next((key for key, given in unfit.items() if given), None)
    return [
        (column.dtype in ("string", "int"), f"role {column.role} needs dtype string or int, got {column.dtype}"),
        (
            column.longest is not None and 1 <= column.longest <= MOST_SLOTS,
            f"role {column.role} needs longest, how many values of a cell are kept, 1 to {MOST_SLOTS}, got {column.longest}",
        ),
        (column.delimiter != "", "delimiter is what stands between two values of a cell, such as '|'"),
        (column.role == "sequence" or column.end is None, "a set has no order, so it has no end"),
        (stray is None, f"role {column.role} has no {stray}"),
        (column.vocabulary != column.name, "vocabulary names another column; leave it out for its own"),
    ]


def slot_names(name: str, longest: int) -> tuple[str, ...]:
    return tuple(f"{name}[{place}]" for place in range(longest))


def slots_of(column: "Column") -> tuple["Column", ...]:
    """The categorical columns that a column with several values becomes."""
    from contracts.dataset.columns import Column  # which imports the rules

    given = {key: getattr(column, key) for key in (*ELEMENT_KEYS, "since", "keep", "description")}
    names = slot_names(column.name, column.longest or 0)
    return tuple(Column(name=name, role="categorical", nullable=True, slot_of=column.name, **given) for name in names)


def element_of(column: "Column") -> "Column":
    """One value of a cell, as a column under the name of the whole."""
    from contracts.dataset.columns import Column

    given = {key: getattr(column, key) for key in ELEMENT_KEYS}
    return Column(name=column.name, role="categorical", nullable=True, **given)


def check_fold(join: "Join", columns: Mapping[str, "Column"]) -> None:
    """Raise ValueError unless every folded column is declared as what becomes of it; `columns` are as files have them."""
    for name, fold in join.fold.items():
        column = columns.get(name)
        if name in join.keys or name == join.matched:
            said = "a key" if name in join.keys else "matched"
            raise ValueError(f"the join '{join.files}' folds '{name}', which is {said} of the same join; choose another name")
        if column is None:
            raise ValueError(f"the join '{join.files}' folds '{name}', which is not among columns; declare it")
        if fold == "set" and (column.role != "set" or column.delimiter is not None):
            got = f"role {column.role}" if column.role != "set" else f"delimiter {column.delimiter!r}"
            raise ValueError(
                f"the join '{join.files}' folds '{name}' into a set, so its column has role set and no delimiter, got {got}"
            )
        if fold == "count" and (column.dtype != "int" or column.is_list):
            raise ValueError(
                f"the join '{join.files}' counts its rows in '{name}', which needs dtype int and one value a cell, "
                f"got role {column.role} of dtype {column.dtype}"
            )
