"""What a side table with several rows for a key becomes in a row: a set of their values, or how many they are."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from contracts.dataset.columns import Column
    from contracts.dataset.source import Join

Fold = Literal["set", "count"]


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
