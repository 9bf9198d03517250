"""Raw cells to typed values: Polars expressions made from a declared column, and what counts as failing to parse."""

import math
import re
from collections.abc import Mapping
from datetime import datetime

import polars as pl

from contracts.dataset.columns import Column
from contracts.dataset.source import Format, SourceError
from contracts.dataset.time_formats import OFFSETS, polars_format
from contracts.tables.number_cells import as_text, floating, is_any, times, truth, whole, why_not_whole
from contracts.tables.spellings import floats_of, fractions_of, wholes_of

DTYPES: dict[str, pl.DataType] = {
    "string": pl.String(),
    "int": pl.Int64(),
    "float": pl.Float64(),
    "bool": pl.Boolean(),
    "datetime": pl.Datetime("us", "UTC"),
}
EPOCH_UNITS = {"epoch_s": 1e6, "epoch_ms": 1e3, "epoch_us": 1.0, "epoch_ns": 1e-3}  # microseconds in one
UNITS = {"days": 86_400_000_000, "hours": 3_600_000_000, "minutes": 60_000_000, "seconds": 1_000_000}  # microseconds in one
ISO = ("%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f%#z", "%Y-%m-%d %H:%M", "%Y-%m-%d %H:%M%#z", "%Y-%m-%d")
PLAIN_ISO = "%Y-%m-%dT%H:%M:%S"  # tried first, on the cells as they are: Polars reads it several times as fast
YEARS = (1, 9999)  # what Python's datetime can hold


def dtype_of(column: Column) -> pl.DataType:
    """The Polars type of the column in clean data; a label is Int8, 0 or 1."""
    return pl.Int8() if column.role == "label" else DTYPES[column.dtype]


def refuse_unreadable(column: Column, source: pl.DataType) -> None:
    """Raise SourceError where no cell of a column of type `source` could be read as declared."""
    if source.is_nested() or source == pl.Duration:
        raise SourceError(f"column '{column.name}' holds {source}, which no dtype takes; leave it out")
    if source.is_temporal() and column.dtype != "string" and (column.dtype != "datetime" or source == pl.Time):
        fitting = "string" if source == pl.Time else "datetime or string"
        raise SourceError(f"column '{column.name}' holds {source}, and its dtype is {column.dtype}; declare it {fitting}")
    if source.is_temporal() and column.dtype == "datetime" and column.format in EPOCH_UNITS:
        raise SourceError(f"column '{column.name}' holds {source}, and its format is {column.format}; leave the format out")
    if column.suffix is not None and source != pl.String:
        raise SourceError(
            f"column '{column.name}' holds {source}, and its suffix is {column.suffix!r}; only texts bear one: take suffix away "
            "(scale holds for numbers too)"
        )
    if column.dtype == "datetime" and source.is_numeric() and column.format is None:
        raise SourceError(f"column '{column.name}' holds numbers; set its format to {', '.join(EPOCH_UNITS)}")


def given(column: Column, source: pl.DataType, fmt: Format) -> pl.Expr:
    """True where the source wrote a value, false where it wrote nothing or a missing marker."""
    cell = pl.col(column.name)
    markers = ["", *(str(marker) for marker in column.missing)]
    present = cell.is_not_null()
    if source == pl.String:
        present &= ~(cell if column.dtype == "string" else cell.str.strip_chars()).is_in(markers)
    elif column.dtype == "string":
        present &= ~cell.cast(pl.String, strict=False).is_in(markers).fill_null(False)
    if source.is_float():
        present &= cell.is_not_nan()
    as_number = column.dtype in ("int", "float") or (source.is_numeric() and column.dtype != "string")
    if floats_of(column.missing) and as_number and (column.role != "label" or column.at_least is not None):
        bare = cell if column.suffix is None else pl.coalesce(_bare(cell, column.suffix), cell)  # a marker need not have it
        present &= ~is_any(_digits(bare, source, fmt), source, column.missing, column.dtype == "int")
    if source.is_temporal() and column.dtype == "datetime":
        shown = cell.cast(pl.Datetime("us", source.time_zone if isinstance(source, pl.Datetime) else None))
        times = pl.Series([time for marker in markers if (time := _time(marker)) is not None], dtype=pl.Datetime("us"))
        present &= ~shown.dt.replace_time_zone(None).is_in(times.implode()).fill_null(False)
    return present


def parsed(column: Column, source: pl.DataType, fmt: Format, exactly: bool) -> pl.Expr:
    """The cell as the declared type; null where it cannot be read as one. Missing markers are not looked at.

    With `exactly` a float that may have been another number before it was rounded is not read: it names something.
    """
    cell = pl.col(column.name)
    if column.role == "label":
        return _label(column, cell, source, fmt)
    if column.dtype == "int":
        return whole(*_number(column, cell, source, fmt), exactly)
    if column.dtype == "float":
        return floating(*_number(column, cell, source, fmt), exactly)
    if column.dtype == "bool":
        return truth(cell, source)
    if column.dtype == "datetime":
        return _instant(column, cell, source)
    return as_text(cell, source, exactly)


def unread_rules(column: Column, cells: pl.Series, fmt: Format, exactly: bool) -> pl.Series:
    """The rule that each of the column's cells breaks of which `parsed` has made nothing."""
    if column.role == "label":
        return pl.repeat("label", len(cells), eager=True)
    if column.dtype == "int":
        read = cells.to_frame().select(_number(column, pl.col(cells.name), cells.dtype, fmt)[0]).to_series()
        return why_not_whole(read, exactly)
    if column.dtype in ("float", "string") and exactly:
        number = cells.to_frame().select(floating(_digits(pl.col(cells.name), cells.dtype, fmt), cells.dtype)).to_series()
        return number.is_null().replace_strict({True: "dtype", False: "exact"}, return_dtype=pl.String)
    return pl.repeat("dtype", len(cells), eager=True)


def derived(column: Column, instants: Mapping[str, Column]) -> pl.Expr:
    """What a column computed from times holds: a part of one, in its time zone (Monday is weekday 1), or the time between two.

    A difference as dtype int is that of whole units, rounded down.
    """
    assert column.derive_from is not None  # a derived column has one
    instant = pl.col(column.derive_from)
    if column.minus is not None and column.unit is not None:
        between, unit = (instant - pl.col(column.minus)).dt.total_microseconds(), UNITS[column.unit]
        return (between // unit if column.dtype == "int" else _divided(between, unit)).alias(column.name)
    local = instant.dt.convert_time_zone(instants[column.derive_from].time_zone or "UTC")
    return getattr(local.dt, str(column.part))().cast(pl.Int64).alias(column.name)


def _divided(number: pl.Expr, by: int) -> pl.Expr:
    """The float nearest to the quotient: Polars 2.1 multiplies by the reciprocal of one divisor, which is another at times."""
    return number.cast(pl.Float64).map_batches(
        lambda cells: pl.Series(cells.name, cells.to_numpy() / by).fill_nan(None), return_dtype=pl.Float64
    )


def _number(column: Column, cell: pl.Expr, source: pl.DataType, fmt: Format) -> tuple[pl.Expr, pl.DataType]:
    """The column's cells as numbers in the declared unit or texts of such, and their type."""
    if column.suffix is not None:
        cell = _bare(cell, column.suffix)
    digits = _digits(cell, source, fmt)
    if column.scale is None:
        return digits, source
    return times(digits, source, column.scale), pl.String()


def _bare(cell: pl.Expr, suffix: str) -> pl.Expr:
    """A text without its suffix; null where it has none."""
    cell = cell.str.strip_chars()
    return pl.when(cell.str.ends_with(suffix)).then(cell.str.strip_suffix(suffix).str.strip_chars_end())


def _digits(cell: pl.Expr, source: pl.DataType, fmt: Format) -> pl.Expr:
    """A text cell with a number in it as Polars reads numbers; null where its marks are not the format's."""
    if source != pl.String:
        return cell
    cell = cell.str.strip_chars()
    if fmt.thousands == " ":
        cell = cell.str.replace_all("[\u00a0\u202f]", " ")  # spaces that do not break a line, as French texts have them
    if fmt.thousands is not None:
        mark, point = re.escape(fmt.thousands), re.escape(fmt.decimal)
        grouped = cell.str.contains(rf"^[+-]?\d{{1,3}}(?:{mark}\d{{3}})+(?:{point}\d+)?$")
        plain = ~cell.str.contains(fmt.thousands, literal=True)
        cell = pl.when(grouped | plain).then(cell.str.replace_all(fmt.thousands, "", literal=True))
    if fmt.decimal != ".":
        cell = pl.when(~cell.str.contains(".", literal=True)).then(cell.str.replace(fmt.decimal, ".", literal=True))
    return cell


def _label(column: Column, cell: pl.Expr, source: pl.DataType, fmt: Format) -> pl.Expr:
    number = _digits(cell, source, fmt)
    if column.labels is not None:
        words = {word.lower() if source == pl.Boolean else word: label for word, label in column.labels.items()}
        found = [cell.cast(pl.String, strict=False).str.strip_chars().replace_strict(words, default=None, return_dtype=pl.Int8)]
        for of_number, read in ((wholes_of, whole(number, source, exactly=False)), (fractions_of, floating(number, source))):
            numbers = {value: label for word, label in words.items() for value in of_number([word])}
            if numbers:
                found.append(read.replace_strict(numbers, default=None, return_dtype=pl.Int8))
        return pl.coalesce(found)
    if column.at_least is not None:
        return _from_threshold(column.dtype, column.at_least, number, source)
    if column.dtype == "bool" or source == pl.Boolean:
        return truth(cell, source).cast(pl.Int8)
    value = whole(number, source, exactly=False)
    return pl.when(value.is_in([0, 1])).then(value).cast(pl.Int8)


def _from_threshold(dtype: str, at_least: float, number: pl.Expr, source: pl.DataType) -> pl.Expr:
    """1 from the threshold on, 0 below it; null where the cell is no finite number of that dtype."""
    if dtype == "int":
        return (whole(number, source, exactly=False) >= math.ceil(at_least)).cast(pl.Int8)
    value = floating(number, source)
    return pl.when(value.is_finite()).then(value >= at_least).cast(pl.Int8)


def _instant(column: Column, cell: pl.Expr, source: pl.DataType) -> pl.Expr:
    if column.format in EPOCH_UNITS:
        if source == pl.String:
            cell = cell.str.strip_chars()
        microseconds = (cell.cast(pl.Float64, strict=False) * EPOCH_UNITS[column.format]).cast(pl.Int64, strict=False)
        if column.format in ("epoch_us", "epoch_ns"):  # beyond what Float64 tells apart
            exact = whole(cell, source, exactly=False) // round(1 / EPOCH_UNITS[column.format])
            microseconds = pl.coalesce(exact, microseconds)
        return microseconds.cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
    if source == pl.String or source.is_numeric():
        text = cell.cast(pl.String).str.strip_chars()
        return _iso(text, column) if column.format is None else _formatted(text, column, column.format)
    if isinstance(source, pl.Datetime) and source.time_zone is not None:
        return cell.dt.convert_time_zone("UTC").dt.cast_time_unit("us")
    return _in_zone(cell.cast(pl.Datetime("us"), strict=False), column)


def _formatted(text: pl.Expr, column: Column, form: str) -> pl.Expr:
    form, behind = polars_format(form)
    text = text + behind if behind else text
    if any(offset in form for offset in OFFSETS):
        return text.str.to_datetime(form, time_unit="us", strict=False, time_zone="UTC")
    return _in_zone(text.str.to_datetime(form, time_unit="us", strict=False, cache=False), column)


def _iso(text: pl.Expr, column: Column) -> pl.Expr:
    """ISO 8601 in its usual spellings: a cell is read as the first of ISO that fits it."""

    def first_that_fits(cells: pl.Series) -> pl.Series:
        found = cells.to_frame("").select(_formatted(pl.col(""), column, PLAIN_ISO)).to_series()
        rows = (found.is_null() & cells.is_not_null()).arg_true()
        others = cells.gather(rows).to_frame("").select(_spaced(pl.col("")))
        for form in ISO:
            if not len(rows):
                break
            read = others.select(_formatted(pl.col(""), column, form)).to_series()
            found = found.scatter(rows, read)
            rows, others = rows.filter(read.is_null()), others.filter(read.is_null())
        return found

    return text.map_batches(first_that_fits, return_dtype=DTYPES["datetime"])


def _spaced(text: pl.Expr) -> pl.Expr:
    """An instant with a space instead of T, and +00 instead of Z or UTC."""
    zulu = text.str.strip_suffix("Z").str.strip_suffix(" UTC")
    text = pl.when(zulu.str.len_bytes() < text.str.len_bytes()).then(zulu + "+00").otherwise(text)
    return text.str.replace("T", " ", literal=True)


def _in_zone(naive: pl.Expr, column: Column) -> pl.Expr:
    """UTC of local times; an hour that the clocks skip is no time, of one that comes twice the first is meant."""
    if column.time_zone is None:
        return naive.dt.replace_time_zone("UTC")
    local = naive.dt.replace_time_zone(column.time_zone, ambiguous="earliest", non_existent="null")
    return local.dt.convert_time_zone("UTC")


def _time(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text).replace(tzinfo=None)
    except ValueError:
        return None
