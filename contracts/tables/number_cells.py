"""Columns of cells to whole numbers, numbers and truth values: what `contracts.tables.spellings` says of a text, of all at once.

A float cell that stands for a whole number may have been another one before it was rounded. `exactly` takes those alone that
cannot: below 2^53 in float64.
"""

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

import polars as pl
import pyarrow as pa

from contracts.tables.spellings import (
    INT64_MAX,
    INT64_MIN,
    TRUTH,
    Misspelt,
    TooLarge,
    floats_of,
    fractions_of,
    meanings,
    product,
    whole_number,
    wholes_of,
)

# bits: below 2 to this power every whole number has its own float
MANTISSA: dict[type[pl.DataType], int] = {pl.Float16: 11, pl.Float32: 24, pl.Float64: 53}
POWERS = pl.Series([10**power for power in range(19)], dtype=pl.Int128)
TOO_LARGE = pl.lit(10**19, dtype=pl.Int128)  # for int64
SCALED = r"^([+-]?)([0-9]{0,19})(?:\.([0-9]{0,18}))?(?:[eE]([+-]?[0-9]{1,3}))?$"
DIGITS = r"^[+-]?[0-9.]+(?:[eE][+-]?[0-9]+)?$"
LONG = r"[0-9.]{20}|[eE][+-]?[0-9]{3}"  # what SCALED leaves out of DIGITS
MANTISSA_AND_POWER = r"^([+-]?[0-9.]+)(?:[eE]([+-]?[0-9]{1,9}))?$"
UNMEASURED = r"(?i)^[+-]?(?:inf|infinity|nan)$"  # numbers that no scale changes
ADVICE = {  # rule -> what to do about a number that breaks it
    "int64": "it does not fit int64; declare the column as string",
    "exact": "a float so large may have been another number before it was rounded; write whole numbers or texts at the source",
}


def whole(cell: pl.Expr, source: pl.DataType, exactly: bool) -> pl.Expr:
    """Int64; null where the cell is no whole number, or one that does not fit. Texts have no spaces around them."""
    if source == pl.String:
        return cell.map_batches(_read_whole, return_dtype=pl.Int64)
    if source.is_float():
        fits = (cell == cell.floor()) & (_held(cell, source) if exactly else cell.is_finite())
        return pl.when(fits).then(cell).cast(pl.Int64, strict=False)
    if source.is_decimal():
        return pl.when(cell == cell.floor()).then(cell).cast(pl.Int64, strict=False)
    return cell.cast(pl.Int64, strict=False)


def floating(cell: pl.Expr, source: pl.DataType, exactly: bool = False) -> pl.Expr:
    """Float64; null where the cell is no number."""
    value = cell.cast(pl.Float64, strict=False)
    if not exactly:
        return value
    narrow = source if source.is_float() else pl.Float64()
    return pl.when(_held(value, narrow) | ~value.is_finite()).then(value)


def as_text(cell: pl.Expr, source: pl.DataType, exactly: bool) -> pl.Expr:
    """String; null where `exactly` is asked of a float that could have been another one."""
    found = cell.cast(pl.String, strict=False)
    return pl.when(_held(cell, source) | ~cell.is_finite()).then(found) if exactly and source.is_float() else found


def times(cell: pl.Expr, source: pl.DataType, scale: float) -> pl.Expr:
    """A text of the cell's number times the shortest decimal that means `scale`, exactly; null where the cell is no number.

    A float stands for the shortest decimal that means it: 0.1 is a tenth. Only whoever makes a float of the text rounds.
    """
    text = as_text(cell, source, exactly=False)
    factor = Decimal(repr(scale)).normalize()
    if factor.as_tuple().digits == (1,):  # a power of ten moves the point
        parts = text.str.extract_groups(MANTISSA_AND_POWER)
        power = parts.struct.field("2").fill_null("0").cast(pl.Int64) + factor.as_tuple().exponent
        found = parts.struct.field("1") + "e" + power.cast(pl.String)
    else:
        found = text.map_batches(lambda cells: _products(cells, factor), return_dtype=pl.String)
    return pl.coalesce(found, pl.when(text.str.contains(UNMEASURED)).then(text))


def truth(cell: pl.Expr, source: pl.DataType) -> pl.Expr:
    """Boolean; null where the cell is neither true nor false."""
    if source == pl.Boolean:
        return cell
    if source.is_numeric():
        return pl.when((cell == 0) | (cell == 1)).then(cell == 1)
    words = cell.cast(pl.String, strict=False).str.strip_chars().str.to_lowercase()
    return words.replace_strict(TRUTH, default=None, return_dtype=pl.Boolean)


def is_any(cell: pl.Expr, source: pl.DataType, markers: Iterable[object], as_int: bool) -> pl.Expr:
    """True where the cell is one of the numbers among `markers`, compared as what the column holds; never null."""
    if source.is_integer():
        return _among(cell.cast(pl.Int128), wholes_of(markers), pl.Int128())
    if not as_int or source.is_float():
        return _among(floating(cell, source), floats_of(markers), pl.Float64())
    inside = [marker for marker in wholes_of(markers) if INT64_MIN <= marker <= INT64_MAX]
    found = _among(whole(cell, source, exactly=False), inside, pl.Int64())
    fractions = fractions_of(markers)
    return found | _among(floating(cell, source), fractions, pl.Float64()) if fractions else found


def why_not_whole(cells: pl.Series, exactly: bool) -> pl.Series:
    """The rule that each cell, of which `whole` has made nothing, breaks: `dtype`, `int64`, `exact` or `finite`."""
    if cells.dtype == pl.String:
        found = {cell: _why(cell) for cell in cells.filter(cells.str.contains(DIGITS)).unique()}
        return cells.replace_strict(found, default="dtype", return_dtype=pl.String)
    if cells.dtype.is_integer():
        return pl.repeat("int64", len(cells), eager=True)
    cell, is_float = pl.col(""), cells.dtype.is_float()
    too_large = (
        pl.when(cell == cell.floor()).then(pl.lit("exact" if exactly and is_float else "int64")).otherwise(pl.lit("dtype"))
    )
    why = pl.when(cell.is_infinite()).then(pl.lit("finite")).otherwise(too_large) if is_float else too_large
    return cells.to_frame("").select(why).to_series()


def without_decimal256(table: pa.Table) -> pa.Table:
    """The table with decimals of more than 38 digits, which Polars cannot hold, as texts."""
    for i, field in enumerate(table.schema):
        if pa.types.is_decimal256(field.type):
            table = table.set_column(i, field.with_type(pa.string()), table.column(i).cast(pa.string()))
    return table


def _among(value: pl.Expr, numbers: list[Any], dtype: pl.DataType) -> pl.Expr:
    return value.is_in(pl.Series(numbers, dtype=dtype).implode()).fill_null(False)


def _held(cell: pl.Expr, source: pl.DataType) -> pl.Expr:
    return cell.abs() < 2.0 ** MANTISSA[type(source)]


def _products(cells: pl.Series, factor: Decimal) -> pl.Series:
    """Each number of bearable length times `factor`, every digit kept."""
    found = {text: product(text, factor) for text in cells.filter(cells.str.contains(DIGITS)).unique()}
    return cells.replace_strict(found, default=None, return_dtype=pl.String)


def _read_whole(cells: pl.Series) -> pl.Series:
    """Plain digits at once, then such as `12.0`, then all others of bearable length, and at last what is odd one by one."""
    found = cells.cast(pl.Int64, strict=False)
    for read in (_without_zeros, _scaled, _one_by_one):
        if found.null_count() == cells.null_count():
            break
        places = (found.is_null() & cells.is_not_null()).arg_true()
        found = found.scatter(places, read(cells.gather(places).alias("cell")))
    return found


def _without_zeros(cells: pl.Series) -> pl.Series:
    bare = pl.col("cell").str.strip_chars_end("0")  # where a dot is left at the end, only zeros were behind it
    whole_part = bare.str.strip_suffix(".").cast(pl.Int64, strict=False)
    return cells.to_frame().select(pl.when(bare.str.ends_with(".")).then(whole_part)).to_series()


def _scaled(cells: pl.Series) -> pl.Series:
    """Digits as one whole number of 128 bits, times or divided by a power of ten."""
    sign, before, after, power = (pl.col("cell").struct.field(name) for name in "1234")
    parts = cells.to_frame().select(pl.col("cell").str.extract_groups(SCALED))
    parts = parts.select(
        digits=(before + after.fill_null("")).cast(pl.Int128, strict=False),
        shift=power.fill_null("0").cast(pl.Int64) - after.str.len_bytes().fill_null(0),
        sign=pl.when(sign == "-").then(-1).otherwise(1).cast(pl.Int128),
    )
    ten = POWERS.gather(parts["shift"].abs().clip(0, len(POWERS) - 1).fill_null(0))
    digits, shift = pl.col("digits"), pl.col("shift")
    value = (
        pl.when(digits == 0)
        .then(digits)
        .when(shift.abs() >= len(POWERS))
        .then(None)  # too large, or no whole number
        .when((shift >= 0) & (digits < TOO_LARGE))
        .then(digits * ten)
        .when((shift < 0) & (digits % ten == 0))
        .then(digits // ten)
    )
    return parts.select((value * pl.col("sign")).cast(pl.Int64, strict=False)).to_series()


def _one_by_one(cells: pl.Series) -> pl.Series:
    known = meanings(whole_number, cells.filter(cells.str.contains(LONG)).unique())
    return cells.replace_strict(known, default=None, return_dtype=pl.Int64)


def _why(cell: str) -> str:
    try:
        whole_number(cell)
    except TooLarge:
        return "int64"
    except Misspelt:
        return "dtype"
    raise AssertionError(f"{cell!r} is a whole number")
