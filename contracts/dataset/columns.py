"""One column of a declaration: what it is called, what it is for, and which values it may hold."""

import math
import re
from collections.abc import Callable
from datetime import datetime
from typing import Any, Literal

import polars as pl
from pydantic import ConfigDict, Field, field_validator, model_validator
from pydantic.dataclasses import dataclass

from contracts.dataset.computed import OPERATIONS, SoFar, row_rules, so_far_rules
from contracts.dataset.labels import label_rules
from contracts.dataset.lists import LIST_ROLES, list_rules
from contracts.dataset.origin import computed_rules, origin_rules, unit_rules
from contracts.dataset.time_formats import check_format

Role = Literal[
    "categorical",
    "numeric",
    "creative",
    "time",
    "label",
    "key",
    "entity",
    "info",
    "set",
    "sequence",
    "impressions",
    "clicks",
    "weight",
]
OUTCOME = ("label", "impressions", "clicks", "weight")  # roles of what came of a row, and of how much it counts
COUNTED = ("impressions", "clicks", "weight")  # of these, numbers from 0 on
Dtype = Literal["string", "int", "float", "bool", "datetime"]
TimePart = Literal["minute", "hour", "weekday", "day", "month", "year"]
TimeUnit = Literal["days", "hours", "minutes", "seconds"]

COLD_START = "cold_start"  # the slice of rows by whether training had their creative
TAKEN = (  # tensors of the graphs and of the served models
    *("cat_idx", "table_idx", "num_feats", "creative_idx", "creative_emb", "creative_pixels", "p_click"),
    *("probability", "model_version"),
)


@dataclass(frozen=True, kw_only=True, config=ConfigDict(extra="forbid"))
class Column:
    """A declared column. Optional keys say more about it; what is left out is not checked."""

    name: str
    role: Role
    dtype: Dtype
    nullable: bool = False  # may the value be missing
    missing: tuple[str | int | float, ...] = ()  # what the source writes for a missing value, beside nothing at all
    min: float | None = None  # smallest allowed value; an int where no float is as much
    max: float | None = None  # largest allowed value
    values: tuple[str | int | float, ...] | None = None  # the only allowed values
    pattern: str | None = None  # regular expression that the whole value matches
    max_length: int | None = Field(default=None, gt=0)  # longest allowed string, characters
    unique: bool = False  # no value twice in one partition
    labels: dict[str, Literal[0, 1]] | None = None  # label only: what the source writes -> 0 or 1
    at_least: float | None = None  # label only: numbers from this one on mean 1, smaller ones 0; an int where no float is as much
    format: str | None = None  # datetime only: strptime format or one of EPOCHS; ISO 8601 if left out
    time_zone: str | None = None  # datetime only: of times that do not say theirs; UTC if left out
    derive_from: str | None = None  # a datetime column that this one is computed from
    part: TimePart | None = None  # which part of it
    minus: str | None = None  # instead: another datetime column, whose time is taken away
    unit: TimeUnit | None = None  # of the difference
    ratio: tuple[str, str] | None = None  # numeric columns of the row: the first by the second
    difference: tuple[str, str] | None = None  # numeric columns of the row: the first less the second
    cross: tuple[str, ...] | None = None  # categorical columns of the row, whose values together are its value
    so_far: SoFar | None = None  # counted over the rows before this one
    since: str | None = None  # the first partition that has the column; before it every value is missing
    folder: str | None = None  # the value is that of a folder of this name in the file's path: site of site=3/part.parquet
    suffix: str | None = None  # numeric only: what files write behind each number, such as %
    scale: float | None = None  # numeric only: what they write is multiplied by it
    log: bool = False  # numeric only: the model sees sign(x) log(1 + |x|)
    feature: bool = True  # creative and entity only: is the id itself shown to the model
    longest: int | None = None  # set and sequence: how many values of a cell are kept
    delimiter: str | None = None  # set and sequence: what stands between the values of a text cell
    end: Literal["first", "last"] | None = None  # sequence only: which end of a longer one is kept; the last if left out
    pool: Literal["mean", "sum"] | None = None  # set and sequence: of the values' vectors; the mean if left out
    vocabulary: str | None = None  # set and sequence: the column whose values these are, where they share its vectors
    slot_of: str | None = None  # never declared: the column with several values that this one holds a value of
    keep: bool = False  # variable selection must not drop it
    description: str = ""

    @field_validator("labels", "values", "missing", mode="before")
    @classmethod
    def _no_booleans(cls, given: Any) -> Any:
        if isinstance(given, dict | list | tuple) and any(isinstance(value, bool) for value in given):
            raise ValueError('YAML reads yes, no, true, false, on, off without quotes as a boolean; write "yes", "no"')
        return {str(key).strip(): value for key, value in given.items()} if isinstance(given, dict) else given

    @field_validator("min", "max", "at_least", mode="wrap")
    @classmethod
    def _exact_bound(cls, given: Any, as_float: Callable[[Any], float | None]) -> float | None:
        bound = as_float(given)
        if bound is not None and not math.isfinite(bound):
            raise ValueError(f"a bound must be a finite number, got {bound}; leave it out where there is none")
        return given if isinstance(given, int) and bound != given else bound

    @field_validator("pattern")
    @classmethod
    def _pattern_compiles(cls, pattern: str | None) -> str | None:
        try:
            pl.Series([""]).str.contains(pattern or "")
        except pl.exceptions.PolarsError as error:
            raise ValueError(f"pattern {pattern!r} is no regular expression that Polars knows{_reason(error)}") from error
        return pattern

    @field_validator("format")
    @classmethod
    def _format_known(cls, form: str | None) -> str | None:
        check_format(form)
        return form

    @field_validator("time_zone")
    @classmethod
    def _zone_known(cls, zone: str | None) -> str | None:
        try:
            pl.Series([datetime(2000, 1, 1)]).dt.replace_time_zone(zone)
        except pl.exceptions.PolarsError as error:
            raise ValueError(f"time_zone must be a name such as Europe/Berlin, got {zone!r}") from error
        return zone

    @model_validator(mode="after")
    def _fits_together(self) -> "Column":
        if self.made_of:  # whatever is computed is missing where it cannot be
            object.__setattr__(self, "nullable", True)
        for ok, complaint in self._rules():
            if not ok:
                raise ValueError(f"column '{self.name}': {complaint}")
        return self

    def _rules(self) -> list[tuple[bool, str]]:
        number = self.dtype in ("int", "float")
        return [
            (self.role != "numeric" or number, f"role numeric needs dtype int or float, got {self.dtype}"),
            (
                self.role != "categorical" or self.dtype in ("string", "int", "bool"),
                f"role categorical needs dtype string, int or bool, got {self.dtype}; use role numeric for floats",
            ),
            (
                self.role not in ("creative", "entity") or self.dtype in ("string", "int"),
                f"role {self.role} needs dtype string or int, got {self.dtype}",
            ),
            (self.role != "time" or self.dtype == "datetime", f"role time needs dtype datetime, got {self.dtype}"),
            (self.role != "label" or not self.nullable, "a label cannot be nullable"),
            (
                self.role not in ("impressions", "clicks") or self.dtype == "int",
                f"role {self.role} needs dtype int, got {self.dtype}",
            ),
            (self.role != "weight" or number, f"role weight needs dtype int or float, got {self.dtype}"),
            (self.role != "clicks" or not self.nullable, "clicks cannot be nullable"),
            *label_rules(self),
            (not self.is_feature or self.name not in TAKEN, f"a tensor of the model is called so; {self._renamed()}"),
            (not re.fullmatch(r"|/.*|\^.*\$|\*|__row", self.name), f"a column cannot have this name; {self._renamed()}"),
            (self._values_fit(), f"values must be of dtype {self.dtype}, strings in quotes, and bool and datetime have none"),
            (self.min is None or self.max is None or self.min <= self.max, f"min {self.min} is above max {self.max}"),
            (
                number or (self.min is None and self.max is None),
                f"min and max need dtype int or float, got {self.dtype}",
            ),
            (
                self.dtype == "string" or (self.pattern is None and self.max_length is None),
                f"pattern and max_length need dtype string, got {self.dtype}",
            ),
            (
                self.dtype == "datetime" or not (self.format or self.time_zone),
                f"format and time_zone need dtype datetime, got {self.dtype}",
            ),
            *computed_rules(self),
            (not self.log or self.role == "numeric", "log needs role numeric"),
            (
                self.feature or self.role in ("creative", "entity"),
                f"feature: false is for roles creative and entity, got {self.role}; role info keeps a column from the model",
            ),
            (not self.keep or self.is_feature, "keep: true is for columns that the model sees"),
            *origin_rules(self),
            *unit_rules(self),
            *list_rules(self),
            *row_rules(self),
            *so_far_rules(self),
        ]

    def _renamed(self) -> str:
        return f"call it otherwise here, and say so in source.rename: {{{self.name!r}: the new name}} (or in the join's rename)"

    def _values_fit(self) -> bool:
        kinds = {"string": (str,), "int": (int,), "float": (int, float)}.get(self.dtype, ())
        return self.values is None or (len(self.values) > 0 and all(isinstance(value, kinds) for value in self.values))

    @property
    def instants(self) -> tuple[str, ...]:
        """Names of the datetime columns that it is computed from; none if it is read."""
        return tuple(name for name in (self.derive_from, self.minus) if name is not None)

    @property
    def made_of(self) -> tuple[str, ...]:
        """Names of the columns that the model computes it of; none if somebody gives it."""
        return self.ratio or self.difference or self.cross or ()

    @property
    def operation(self) -> str:
        """How it is made of these."""
        return next((key for key in OPERATIONS if getattr(self, key) is not None), "")

    @property
    def is_read(self) -> bool:
        """Do files hold it."""
        return self.derive_from is None and not self.made_of and self.so_far is None

    @property
    def is_categorical(self) -> bool:
        """Is the value looked up in a vocabulary."""
        return self.role == "categorical" or (self.role in ("creative", "entity") and self.feature)

    @property
    def is_feature(self) -> bool:
        return self.is_categorical or self.is_list or self.role == "numeric"

    @property
    def is_list(self) -> bool:
        """May a cell hold several values."""
        return self.role in LIST_ROLES


def sliceable(columns: tuple[Column, ...]) -> tuple[str, ...]:
    """Names that slices may have, in the order of the declaration. A creative gives COLD_START, if no column is called so."""
    names = tuple(c.name for c in columns if c.role not in (*OUTCOME, "key", "time") and c.slot_of is None)
    return (*names, COLD_START) if has_cold_start(columns) else names


def check_slices(key: str, names: tuple[str, ...], columns: tuple[Column, ...]) -> None:
    """Raise ValueError if `key` of the configuration names a slice that the columns do not give."""
    allowed = sliceable(columns)
    stray = next((name for name in names if name not in allowed), None)
    if stray is not None:
        why = "which needs a column with role creative" if stray == COLD_START else "by which rows cannot be sliced"
        raise ValueError(f"{key} names '{stray}', {why}; allowed: {', '.join(allowed)}")


def has_cold_start(columns: tuple[Column, ...]) -> bool:
    """Does COLD_START mean whether a row's creative is new to the model."""
    return any(column.role == "creative" for column in columns) and all(column.name != COLD_START for column in columns)


def _reason(error: Exception) -> str:
    """What a regular expression's parser complains of, behind a colon."""
    found = re.search(r"^error: (.+)$", str(error), re.MULTILINE)
    return f": {found[1].strip()}" if found else ""
