"""What a request to the served model looks like: the columns of its two packed tensors, in order, and their rules.

It follows from the declaration alone, so a model that was trained anew, or that uses fewer columns, takes the same
requests.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

import polars as pl

from contracts.dataset.columns import Column
from contracts.dataset.declaration import Declaration
from contracts.dataset.origin import as_sent
from contracts.tables.spellings import FLOAT32_MAX, INT64_MAX, INT64_MIN, floats_of, wholes_of

CATEGORICAL, NUMERIC, IMAGE = "categorical", "numeric", "creative_image"
PROBABILITY, MODEL_VERSION = "probability", "model_version"
RENAMED, LISTS = "renamed", "lists"  # parameters of the served model, if there is any
Values = TypeVar("Values", pl.Series, pl.Expr)  # a column, or what will be one


@dataclass(frozen=True, kw_only=True)
class RequestSpec:
    """The packed tensors of a declaration."""

    categorical: tuple[Column, ...]  # of tensor `categorical`, in order
    numeric: tuple[Column, ...]  # of tensor `numeric`, in order
    instants: tuple[Column, ...]  # datetime columns that some of these are derived from; a client may send those instead
    creative: str | None  # the column that names the creative, if creatives have images
    digest: str  # of the declaration
    rename: Mapping[str, str] = field(default_factory=dict)  # what raw files call one of these -> what it is called here
    lists: tuple[Column, ...] = ()  # columns with several values, whose slots are among these; a client may take them whole
    computed: tuple[Column, ...] = ()  # features that no request holds: the model makes them of these

    @property
    def columns(self) -> tuple[Column, ...]:
        return self.categorical + self.numeric

    @property
    def codes(self) -> list[int]:
        """By place among the categorical columns, whose code its strings bear: slots of a column have one vocabulary."""
        first: dict[str, int] = {}
        return [first.setdefault(c.slot_of or c.name, place) for place, c in enumerate(self.categorical)]


def request_of(declaration: Declaration) -> RequestSpec:
    """The request that a model of this declaration takes."""
    with_image = declaration.creative if declaration.images is not None else None
    derived = {name for column in declaration.features for name in column.instants}
    asked = {
        *derived,
        *(column.slot_of or column.name for column in declaration.features),
        *(() if with_image is None else (with_image.name,)),
    }
    return RequestSpec(
        instants=tuple(as_sent(column) for column in declaration.columns if column.name in derived),
        categorical=tuple(as_sent(c) for c in declaration.columns if (c.is_categorical and not c.made_of) or c == with_image),
        numeric=tuple(as_sent(c) for c in declaration.columns if c.role == NUMERIC and not c.made_of),
        creative=None if with_image is None else with_image.name,
        digest=declaration.digest,
        lists=tuple(as_sent(column) for column in declaration.lists),
        computed=tuple(column for column in declaration.columns if column.made_of),
        rename={old: new for old, new in declaration.source.rename.items() if new in asked},
    )


def strings(values: Values) -> Values:
    """A categorical column as the encoder takes it: strings, "" where missing."""
    return values.cast(pl.String).fill_null("")


def numbers(values: Values) -> Values:
    """A numeric column as the encoder takes it: float32, NaN where missing."""
    return values.cast(pl.Float32).fill_null(float("nan"))


def _marked(column: Column) -> list[int] | list[float]:
    """The missing markers that are numbers which a request can hold."""
    if column.role != NUMERIC:  # texts, read exactly
        return [number for number in wholes_of(column.missing) if INT64_MIN <= number <= INT64_MAX]
    return [number for number in floats_of(column.missing) if abs(number) <= FLOAT32_MAX]


def _bounds(column: Column) -> tuple[float, float]:
    """The smallest and the largest number that a float of the column can be, declared or because no more fits."""
    low, high = (INT64_MIN, INT64_MAX) if column.dtype == "int" else (-FLOAT32_MAX, FLOAT32_MAX)
    return (
        float(low if column.min is None else max(column.min, -FLOAT32_MAX)),
        float(high if column.max is None else min(column.max, FLOAT32_MAX)),
    )


def column_rules(column: Column, used: bool, field: int | None, code: int | None = None) -> dict[str, Any]:
    """What the served model checks of a column, as plain JSON values.

    `used`: does the model look at it; `field`: its place among the ids that the encoder gives, None if it has none.
    `code` is given where the column's strings bear another's code. `low` and `high` bound the column where it comes as floats.
    """
    low, high = _bounds(column)
    return {
        "name": column.name,
        "dtype": column.dtype,
        "nullable": column.nullable,
        "min": column.min,
        "max": column.max,
        "low": low,
        "high": high,
        "max_length": column.max_length,
        "missing": [str(marker) for marker in column.missing],
        "missing_numbers": _marked(column),
        "used": used,
        "field": field,
        **({} if code is None else {"code": code}),
    }
