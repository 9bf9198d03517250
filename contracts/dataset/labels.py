"""What may be declared of the column that says clicked or not."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from contracts.dataset.columns import Column

Rules = list[tuple[bool, str]]  # is it kept, and what to say where it is not


def label_rules(column: "Column") -> Rules:
    """The rules of a label's own keys, which no other column has."""
    return [
        (column.role == "label" or column.labels is None, "only a label has labels"),
        (
            column.role != "label" or (column.pattern is None and column.max_length is None),
            "a label has no pattern and no max_length: its labels say which values there may be",
        ),
        (
            column.labels is None or (column.min is None and column.max is None),
            "a label with labels has no min and no max: they say which values there may be",
        ),
        (
            column.labels is None or set(column.labels.values()) == {0, 1},
            f"labels must name both 0 and 1: {column.labels}",
        ),
        (column.role == "label" or column.at_least is None, "only a label has at_least"),
        (column.dtype in ("int", "float") or column.at_least is None, f"at_least needs dtype int or float, got {column.dtype}"),
        (
            column.at_least is None or (column.labels is None and column.min is None and column.max is None),
            "a label with at_least has no labels, no min and no max; list numbers that are no answer in missing",
        ),
    ]
