"""The pandera schema of a declaration, and every rule it finds broken, by row."""

import math

import pandera.polars as pa
import polars as pl
from pandera.config import ValidationDepth, config_context
from pandera.errors import SchemaErrors

from contracts.dataset.columns import COUNTED, Column
from contracts.tables.parsing import dtype_of
from contracts.tables.spellings import FLOAT32_END

BEYOND = 2.0**64  # in size above every Int64
VIOLATIONS = {"row": pl.UInt32, "column": pl.String, "rule": pl.String}


def schema_of(columns: tuple[Column, ...]) -> pa.DataFrameSchema:
    """A strict, ordered schema of the typed columns. Every check carries the name of its rule."""
    return pa.DataFrameSchema({column.name: _schema_column(column) for column in columns}, strict=True, ordered=True)


def violations(schema: pa.DataFrameSchema, typed: pl.DataFrame) -> pl.DataFrame:
    """Broken rules of `typed`: row (position, UInt32), column, rule. Empty if there are none.

    pandera looks at a LazyFrame's schema only, unless the depth says data as well; hence the context.
    """
    try:
        with config_context(validation_enabled=True, validation_depth=ValidationDepth.SCHEMA_AND_DATA):
            schema.validate(typed.lazy(), lazy=True).collect()
    except SchemaErrors as errors:
        cases = errors.failure_cases
        whole_frame = cases.filter(pl.col("index").is_null())
        if whole_frame.height:  # a wrong dtype or a missing column is our own bug here: parsing has fixed both
            raise AssertionError(f"typed columns do not fit their own schema: {whole_frame.head(3).to_dicts()}") from errors
        return cases.select(
            pl.col("index").cast(pl.UInt32).alias("row"),
            pl.col("column"),
            pl.col("check").replace({"not_nullable": "not_null", "field_uniqueness": "unique"}).alias("rule"),
        )
    return pl.DataFrame(schema=VIOLATIONS)


def _schema_column(column: Column) -> pa.Column:
    return pa.Column(dtype_of(column), checks=_checks(column), nullable=column.nullable)


def _checks(column: Column) -> list[pa.Check]:
    checks = []
    if column.dtype == "float" and column.role != "label":
        finite = _finite_float32 if column.role == "numeric" else _finite
        checks.append(pa.Check(finite, name="finite", error="finite"))
    low, high = bounds(column)
    if low is not None:
        checks.append(pa.Check.ge(low, name="min", error="min"))
    if high is not None:
        checks.append(pa.Check.le(high, name="max", error="max"))
    if column.values is not None and column.role != "label":
        kind = {"string": str, "int": int, "float": float}[column.dtype]
        allowed = [kind(value) for value in column.values]
        checks.append(pa.Check.isin(allowed, name="values", error="values"))
    if column.pattern is not None:
        checks.append(pa.Check.str_matches(f"^(?:{column.pattern})$", name="pattern", error="pattern"))
    if column.max_length is not None:
        checks.append(pa.Check.str_length(max_value=column.max_length, name="max_length", error="max_length"))
    return checks


def bounds(column: Column) -> tuple[float | None, float | None]:
    """Smallest and largest allowed number, whole ones for whole numbers: Polars would compare these with floats as floats."""
    least = max(column.min or 0, 0) if column.role in COUNTED else column.min
    if column.dtype != "int":
        return least, column.max
    return (
        None if least is None else math.ceil(max(least, -BEYOND)),
        None if column.max is None else math.floor(min(column.max, BEYOND)),
    )


def _finite_float32(data: pa.PolarsData) -> pl.LazyFrame:
    """The model sees the number as float32."""
    return data.lazyframe.select(pl.col(data.key).abs() < FLOAT32_END)


def _finite(data: pa.PolarsData) -> pl.LazyFrame:
    return data.lazyframe.select(pl.col(data.key).is_finite())
