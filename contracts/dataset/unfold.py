"""Rows of a file that hold a list of impressions, each with its label, such as `N1-0 N2-1`: the part `unfold`."""

from pydantic import field_validator, model_validator
from pydantic.dataclasses import dataclass

from contracts.dataset.columns import Column
from contracts.dataset.source import STRICT, Join


@dataclass(frozen=True, kw_only=True, config=STRICT)
class ImpressionLists:
    """How a list is written, and which declared columns its impressions give. Each impression becomes a row."""

    column: str  # of the file: it holds the lists
    item: str  # column that gets what was shown
    position: str  # column that gets the impression's place in its list, 1 for the first
    between: str = " "  # impressions; a space stands for any run of blanks
    before_label: str = "-"  # between what was shown and its label

    @field_validator("between", "before_label")
    @classmethod
    def _is_written(cls, mark: str) -> str:
        if not mark:
            raise ValueError("a mark of unfold needs a character at least")
        return mark

    @model_validator(mode="after")
    def _marks_differ(self) -> "ImpressionLists":
        if self.between in self.before_label or self.before_label in self.between:
            raise ValueError(
                f"unfold cannot tell impressions from labels: between is {self.between!r}, before_label "
                f"{self.before_label!r}; the files have to be written with two marks, neither of which holds the other"
            )
        return self

    def made(self, label: str) -> tuple[str, str, str]:
        """Names of the declared columns that come out of the lists."""
        return self.item, self.position, label


def check_lists(lists: ImpressionLists, columns: tuple[Column, ...], joins: tuple[Join, ...], others: set[str]) -> None:
    """Raise ValueError unless the columns are such as lists can give. `others` are names that are left out."""
    known = {column.name: column for column in columns}
    label = next((column for column in columns if column.role == "label"), None)
    if label is None:
        raise ValueError("unfold gives each impression its label, so a column needs role label, not counts of clicks")
    if lists.column in known or lists.column in others:
        raise ValueError(f"unfold takes column '{lists.column}' apart; declare it neither among columns nor in leave_out")
    for key, name in (("item", lists.item), ("position", lists.position)):
        if name not in known or not known[name].is_read:
            raise ValueError(f"unfold.{key} is '{name}', and no column that is read is declared so; declare it among columns")
    item, position = known[lists.item], known[lists.position]
    if item.role not in ("creative", "categorical", "info") or item.dtype not in ("string", "int") or item.unique:
        raise ValueError(
            f"unfold.item '{item.name}' must have role creative, categorical or info and dtype string or int, not unique"
        )
    if position.role not in ("info", "categorical", "numeric") or position.dtype != "int" or position.unique:
        raise ValueError(
            f"unfold.position '{position.name}' must have role info, categorical or numeric and dtype int, not unique"
        )
    if position.name == item.name:
        raise ValueError(f"unfold gives '{item.name}' both item and position; name two columns")
    matched = next((join for join in joins if join.matched in lists.made(label.name)), None)
    if matched is not None:
        raise ValueError(f"'{matched.matched}' comes out of lists and out of a join's matched; take one of the two away")
