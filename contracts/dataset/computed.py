"""Columns that are computed from others: from those of the same row, inside the model, or from the rows before it.

A ratio, a difference and a cross need one row: no file and no request holds them. What is counted so far needs history: the
pipeline counts it, and callers of the served model send it.
"""

import re
from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

from pydantic import ConfigDict, Field, field_validator, model_validator
from pydantic.dataclasses import dataclass

if TYPE_CHECKING:
    from contracts.dataset.columns import Column

Rules = list[tuple[bool, str]]  # is it kept, and what to say where it is not

OPERATIONS = ("ratio", "difference", "cross")  # keys of columns that the model computes of others of the row
MOST_CROSSED = 3
UNITS_US = {"days": 86_400_000_000, "hours": 3_600_000_000, "minutes": 60_000_000, "seconds": 1_000_000}
GIVEN_KEYS = (  # that say what a value may be which somebody gives, or where it stands
    *("missing", "min", "max", "values", "pattern", "max_length", "since", "folder", "suffix", "scale"),
    *("format", "time_zone", "derive_from", "slot_of", "vocabulary"),
)


@dataclass(frozen=True, kw_only=True, config=ConfigDict(extra="forbid", allow_inf_nan=False))
class SoFar:
    """How many impressions or clicks there were before a row with the row's values in some columns, or the share of clicks."""

    per: tuple[str, ...] = Field(min_length=1)  # the columns; a name alone is one
    count: Literal["impressions", "clicks"] | None = None  # of which; a row is one impression unless it counts many
    rate: Literal["clicks"] | None = None  # instead: (clicks + smoothing * prior) / (impressions + smoothing)
    smoothing: float | None = Field(default=None, gt=0)  # rate only: impressions that the prior counts as
    prior: float | None = Field(default=None, ge=0, le=1)  # rate only: the rate of a key that nothing is known of
    delay: str | None = None  # how long it takes until a row counts, such as 1 days; rows before this instant count if left out

    @field_validator("per", mode="before")
    @classmethod
    def _one_name(cls, names: Any) -> Any:
        return [names] if isinstance(names, str) else names

    @field_validator("delay")
    @classmethod
    def _delay_known(cls, delay: str | None) -> str | None:
        if delay is not None and re.fullmatch(rf"\d{{1,6}} ({'|'.join(UNITS_US)})", delay) is None:
            raise ValueError(f"delay is a whole number of {', '.join(UNITS_US)}, such as 1 days, got {delay!r}")
        return delay

    @model_validator(mode="after")
    def _fits_together(self) -> "SoFar":
        if (self.count is None) == (self.rate is None):
            raise ValueError("so_far needs either count (impressions or clicks) or rate (clicks)")
        if len({self.smoothing is None, self.prior is None, self.rate is None}) > 1:
            raise ValueError(
                "so_far needs smoothing and prior with rate, and with nothing else: a rate is (clicks + smoothing * prior) / "
                "(impressions + smoothing), the same for whoever computes it"
            )
        if len(set(self.per)) < len(self.per):
            raise ValueError(f"so_far.per names a column twice: {', '.join(self.per)}")
        return self

    @property
    def delay_us(self) -> int:
        number, unit = (self.delay or "0 seconds").split()
        return int(number) * UNITS_US[unit]

    @property
    def meaning(self) -> str:
        """What it holds, in words."""
        keys = " and ".join(f"'{name}'" for name in self.per)
        until = "before the row's time" if self.delay is None else f"more than {self.delay} before the row's time"
        if self.count is not None:
            return f"the number of {self.count} {until} with the same {keys}"
        smoothed = f"(clicks + {self.smoothing:g} * {self.prior:g}) / (impressions + {self.smoothing:g})"
        return f"{smoothed} of what was {until} with the same {keys}"


def row_rules(column: "Column") -> Rules:
    """The rules that a column keeps which the model itself computes of the row."""
    given = [key for key in OPERATIONS if getattr(column, key) is not None]
    if not given:
        return []
    what = given[0]
    stray = next((key for key in GIVEN_KEYS if getattr(column, key) not in (None, ())), None)
    role, dtype = ("categorical", "string") if what == "cross" else ("numeric", "float")
    return [
        (len(given) == 1, f"{' and '.join(given)}: a column is one of them"),
        (column.role == role and column.dtype == dtype, f"a {what} has role {role} and dtype {dtype}"),
        (
            what != "cross" or 2 <= len(column.made_of) <= MOST_CROSSED,
            f"cross names two columns, or {MOST_CROSSED}, got {len(column.made_of)}",
        ),
        (len(set(column.made_of)) == len(column.made_of), f"{what} names a column twice: {', '.join(column.made_of)}"),
        (column.so_far is None, f"{what} or so_far: a column is one of them"),
        (
            stray is None and not column.unique,
            f"the model computes it, so it has no {stray or 'unique'}; say that of {what}'s columns",
        ),
    ]


def so_far_rules(column: "Column") -> Rules:
    """The rules that a column keeps which is counted over the rows before."""
    if column.so_far is None:
        return []
    stray = next((key for key in GIVEN_KEYS if getattr(column, key) not in (None, ()) and key not in ("min", "max")), None)
    dtype = "int" if column.so_far.rate is None else "float"
    what = "count" if column.so_far.rate is None else "rate"
    return [
        (column.role == "numeric" and column.dtype == dtype, f"a {what} so far has role numeric and dtype {dtype}"),
        (stray is None and not column.unique, f"it is counted, so it has no {stray or 'unique'}"),
    ]


def as_callers_count(column: "Column") -> "Column":
    """The column as callers of the served model send it: they have counted it, and say what it is."""
    if column.so_far is None:
        return column
    most = 1 if column.so_far.rate is not None else None
    return replace(column, min=0, max=most, description=column.description or column.so_far.meaning)


def as_given(column: "Column") -> "Column":
    """The column where rows hold it: an ordinary one."""
    return replace(as_callers_count(column), so_far=None)


def check_computed(columns: Iterable["Column"], slots: Iterable[str]) -> None:
    """Raise ValueError unless computed columns name such as they can be made of. `slots`: columns with several values."""
    known, lists = {column.name: column for column in columns}, set(slots)
    for column in known.values():
        for name in column.made_of:
            if (wrong := _no_operand(column, known.get(name), name in lists)) is not None:
                raise ValueError(f"column '{column.name}': {column.operation} '{name}' {wrong}")
        if column.so_far is not None:
            _check_so_far(column, known, lists)


def _no_operand(column: "Column", of: "Column | None", is_list: bool) -> str | None:
    """Why a column cannot be computed from this one; None if it can."""
    kinds = "categorical, creative or entity" if column.cross else "numeric"
    if is_list or (of is not None and of.slot_of is not None):
        return "holds several values in a cell; name columns with one"
    if of is None:
        return "is no declared column"
    if of.made_of:
        return "is computed by the model itself; name the columns that it is made of"
    if not (of.is_categorical if column.cross else of.role == "numeric"):
        role = of.role if of.feature else f"{of.role} and feature: false"
        return f"has role {role}; name features with role {kinds}, which callers send"
    return None


def _check_so_far(column: "Column", known: dict[str, "Column"], lists: set[str]) -> None:
    assert column.so_far is not None
    said = f"column '{column.name}': so_far"
    if column.min is not None or column.max is not None:
        raise ValueError(f"{said} is counted, from 0 on, so it has no min and no max")
    time, weight = (next((c for c in known.values() if c.role == role), None) for role in ("time", "weight"))
    if time is None or time.nullable:
        raise ValueError(f"{said} needs a column with role time that every row has: what is counted is what was before")
    if weight is not None:
        raise ValueError(
            f"{said} counts impressions, and rows have a weight ('{weight.name}'): a caller cannot count what they stand for; "
            "take one of the two away"
        )
    for name in column.so_far.per:
        key = known.get(name)
        if (
            name in lists
            or key is None
            or key.slot_of is not None
            or key.made_of
            or key.so_far is not None
            or key.dtype == "datetime"
        ):
            raise ValueError(f"{said}.per '{name}' is no column that is read, with one value in a cell that is no time")
        if key.role in ("label", "impressions", "clicks"):
            raise ValueError(f"{said}.per '{name}' has role {key.role}, which is known only after the impression")
        if key.nullable and not column.nullable:
            raise ValueError(f"{said}.per '{name}' may be missing, and nothing is counted then; set nullable: true")
