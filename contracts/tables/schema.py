"""The pandera schema of a declaration, and every rule it finds broken, by row."""

import pandera.polars as pa
import polars as pl
from pandera.config import ValidationDepth, config_context
from pandera.errors import SchemaErrors

from contracts.dataset.columns import Column
from contracts.tables.parsing import dtype_of

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
        checks.append(pa.Check(_finite, name="finite", error="finite"))
    if column.min is not None:
        checks.append(pa.Check.ge(column.min, name="min", error="min"))
    if column.max is not None:
        checks.append(pa.Check.le(column.max, name="max", error="max"))
    if column.values is not None and column.role != "label":
        kind = {"string": str, "int": int, "float": float}[column.dtype]
        allowed = [kind(value) for value in column.values]
        checks.append(pa.Check.isin(allowed, name="values", error="values"))
    if column.pattern is not None:
        checks.append(pa.Check.str_matches(f"^(?:{column.pattern})$", name="pattern", error="pattern"))
    if column.max_length is not None:
        checks.append(pa.Check.str_length(max_value=column.max_length, name="max_length", error="max_length"))
    return checks


def _finite(data: pa.PolarsData) -> pl.LazyFrame:
    return data.lazyframe.select(pl.col(data.key).is_finite())
