"""Raw cells to typed values: Polars expressions made from a declared column, and what counts as failing to parse."""

import polars as pl

from contracts.columns import Column

DTYPES: dict[str, pl.DataType] = {
    "string": pl.String(),
    "int": pl.Int64(),
    "float": pl.Float64(),
    "bool": pl.Boolean(),
    "datetime": pl.Datetime("us", "UTC"),
}
TRUTH = {"true": True, "false": False, "1": True, "0": False, "yes": True, "no": False, "t": True, "f": False}
EPOCH_UNITS = {"epoch_s": 1_000_000, "epoch_ms": 1_000}  # microseconds in one


def dtype_of(column: Column) -> pl.DataType:
    """The Polars type of the column in clean data; a label is Int8, 0 or 1."""
    return pl.Int8() if column.role == "label" else DTYPES[column.dtype]


def given(column: Column, source: pl.DataType) -> pl.Expr:
    """True where the source wrote a value, false where it wrote nothing or a missing marker."""
    cell = pl.col(column.name)
    markers = [str(marker) for marker in column.missing]
    present = cell.is_not_null()
    if source == pl.String:
        present &= ~cell.is_in(markers)
    numbers = [number for marker in markers if (number := _number(marker)) is not None]
    if numbers and column.dtype in ("int", "float") and column.role != "label":
        value = cell.cast(pl.Float64, strict=False)
        present &= ~value.is_in(numbers).fill_null(False)
    return present


def parsed(column: Column, source: pl.DataType) -> pl.Expr:
    """The cell as the declared type; null where it cannot be read as one. Missing markers are not looked at."""
    cell = pl.col(column.name)
    if column.role == "label":
        return _label(column, cell, source)
    if source == pl.String and column.dtype != "string":
        cell = cell.str.strip_chars()
    if column.dtype == "int":
        return _whole(cell, source)
    if column.dtype == "bool":
        words = cell.cast(pl.String).str.to_lowercase()
        return cell if source == pl.Boolean else words.replace_strict(TRUTH, default=None, return_dtype=pl.Boolean)
    if column.dtype == "datetime":
        return _instant(column, cell, source)
    return cell.cast(DTYPES[column.dtype], strict=False)


def derived(column: Column) -> pl.Expr:
    """The part of a datetime that a derived column holds, in UTC; Monday is weekday 1."""
    return getattr(pl.col(column.derive_from).dt, column.part)().cast(pl.Int64).alias(column.name)


def _whole(cell: pl.Expr, source: pl.DataType) -> pl.Expr:
    """Int64; "3.0" is read as 3, "3.5" as nothing."""
    if source.is_integer():
        return cell.cast(pl.Int64, strict=False)
    value = cell.cast(pl.Float64, strict=False)
    from_float = pl.when(value.is_finite() & (value == value.floor())).then(value).cast(pl.Int64, strict=False)
    return from_float if source.is_float() else pl.coalesce(cell.cast(pl.Int64, strict=False), from_float)


def _label(column: Column, cell: pl.Expr, source: pl.DataType) -> pl.Expr:
    if column.labels is not None:
        words = cell.cast(pl.String).str.strip_chars()
        return words.replace_strict(column.labels, default=None, return_dtype=pl.Int8)
    if source == pl.Boolean:
        return cell.cast(pl.Int8)
    value = (cell.str.strip_chars() if source == pl.String else cell).cast(pl.Float64, strict=False)
    return pl.when(value.is_in([0.0, 1.0])).then(value).cast(pl.Int8)


def _instant(column: Column, cell: pl.Expr, source: pl.DataType) -> pl.Expr:
    if column.format in EPOCH_UNITS:
        microseconds = cell.cast(pl.Float64, strict=False) * EPOCH_UNITS[column.format]
        return microseconds.cast(pl.Int64, strict=False).cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
    if source == pl.String:
        # ISO 8601 in its usual spellings; no zone means UTC.
        if column.format is not None:
            return cell.str.to_datetime(column.format, time_unit="us", strict=False, time_zone="UTC")
        naive = cell.str.replace("T", " ", literal=True).str.replace(r"(Z|[+-]00:?00)$", "")
        return pl.coalesce(
            naive.str.to_datetime("%Y-%m-%d %H:%M:%S%.f", time_unit="us", strict=False).dt.replace_time_zone("UTC"),
            naive.str.to_datetime("%Y-%m-%d %H:%M:%S%.f%z", time_unit="us", strict=False, time_zone="UTC"),
            naive.str.to_datetime("%Y-%m-%d %H:%M", time_unit="us", strict=False).dt.replace_time_zone("UTC"),
            naive.str.to_date("%Y-%m-%d", strict=False).cast(pl.Datetime("us")).dt.replace_time_zone("UTC"),
        )
    if isinstance(source, pl.Datetime) and source.time_zone is not None:
        return cell.dt.convert_time_zone("UTC").dt.cast_time_unit("us")
    return cell.cast(pl.Datetime("us"), strict=False).dt.replace_time_zone("UTC")


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
