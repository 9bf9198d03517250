"""One column of a declaration: what it is called, what it is for, and which values it may hold."""

import re
from typing import Any, Literal

from pydantic import ConfigDict, Field, field_validator, model_validator
from pydantic.dataclasses import dataclass

Role = Literal["categorical", "numeric", "creative", "time", "label", "key", "entity", "info"]
Dtype = Literal["string", "int", "float", "bool", "datetime"]
TimePart = Literal["hour", "weekday", "day", "month"]

RANGE = re.compile(r"\{(\d+)\.\.(\d+)\}")


@dataclass(frozen=True, kw_only=True, config=ConfigDict(extra="forbid"))
class Column:
    """A declared column. Optional keys say more about it; what is left out is not checked."""

    name: str
    role: Role
    dtype: Dtype
    nullable: bool = False  # may the value be missing
    missing: tuple[str | int | float, ...] = ("",)  # what the source writes for a missing value
    min: float | None = None  # smallest allowed value
    max: float | None = None  # largest allowed value
    values: tuple[str | int | float, ...] | None = None  # the only allowed values
    pattern: str | None = None  # regular expression that the whole value matches
    max_length: int | None = Field(default=None, gt=0)  # longest allowed string, characters
    unique: bool = False  # no value twice in one partition
    labels: dict[str, Literal[0, 1]] | None = None  # label only: what the source writes -> 0 or 1
    format: str | None = None  # datetime only: strptime format, "epoch_s" or "epoch_ms"; ISO 8601 if left out
    derive_from: str | None = None  # a datetime column that this one is computed from
    part: TimePart | None = None  # which part of it
    log: bool = False  # numeric only: the model sees sign(x) log(1 + |x|)
    feature: bool = True  # creative and entity only: is the id itself shown to the model
    keep: bool = False  # variable selection must not drop it
    description: str = ""

    @field_validator("labels", mode="before")
    @classmethod
    def _quoted_labels(cls, labels: Any) -> Any:
        if isinstance(labels, dict) and any(isinstance(key, bool) for key in labels):
            raise ValueError('YAML reads an unquoted yes or no as a boolean; write labels: {"yes": 1, "no": 0}')
        return {str(key): value for key, value in labels.items()} if isinstance(labels, dict) else labels

    @field_validator("pattern")
    @classmethod
    def _pattern_compiles(cls, pattern: str | None) -> str | None:
        try:
            re.compile(pattern or "")
        except re.error as error:
            raise ValueError(f"pattern {pattern!r} is no regular expression: {error}") from error
        return pattern

    @model_validator(mode="after")
    def _fits_together(self) -> "Column":
        for ok, complaint in self._rules():
            if not ok:
                raise ValueError(f"column '{self.name}': {complaint}")
        return self

    def _rules(self) -> list[tuple[bool, str]]:
        number = self.dtype in ("int", "float")
        return [
            (self.role != "numeric" or number, f"role numeric needs dtype int or float, got {self.dtype}"),
            (self.role != "categorical" or self.dtype in ("string", "int", "bool"), f"role categorical needs dtype string, int or bool, got {self.dtype}; use role numeric for floats"),
            (self.role not in ("creative", "entity") or self.dtype in ("string", "int"), f"role {self.role} needs dtype string or int, got {self.dtype}"),
            (self.role != "time" or self.dtype == "datetime", f"role time needs dtype datetime, got {self.dtype}"),
            (self.role != "label" or not self.nullable, "a label cannot be nullable"),
            (self.role == "label" or self.labels is None, "only a label has labels"),
            (self.min is None or self.max is None or self.min <= self.max, f"min {self.min} is above max {self.max}"),
            (number or (self.min is None and self.max is None), f"min and max need dtype int or float, got {self.dtype}"),
            (self.dtype == "string" or (self.pattern is None and self.max_length is None), f"pattern and max_length need dtype string, got {self.dtype}"),
            (self.dtype == "datetime" or self.format is None, f"format needs dtype datetime, got {self.dtype}"),
            ((self.derive_from is None) == (self.part is None), "derive_from and part are given together"),
            (self.derive_from is None or self.dtype == "int", "a derived column has dtype int"),
            (not self.log or self.role == "numeric", "log needs role numeric"),
        ]

    @property
    def is_categorical(self) -> bool:
        """Is the value looked up in a vocabulary."""
        return self.role == "categorical" or (self.role in ("creative", "entity") and self.feature)

    @property
    def is_feature(self) -> bool:
        return self.is_categorical or self.role == "numeric"


def expand_ranges(entries: list[Any]) -> list[Any]:
    """The entries with `{name: "I{1..3}"}` written out as I1, I2, I3."""
    expanded: list[Any] = []
    for entry in entries:
        match = RANGE.search(str(entry.get("name", ""))) if isinstance(entry, dict) else None
        if match is None:
            expanded.append(entry)
            continue
        first, last = int(match[1]), int(match[2])
        names = [entry["name"].replace(match[0], str(number)) for number in range(first, last + 1)]
        expanded.extend({**entry, "name": name} for name in names)
    return expanded
