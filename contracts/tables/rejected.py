"""Broken cells and rejected rows as tables: places become row numbers, and a row says the first rule it broke."""

import polars as pl

from contracts.tables.chunk import ROW, Chunk

REJECTED = {"row": pl.UInt32, "column": pl.String, "rule": pl.String, "value": pl.String, "num_broken": pl.UInt32}
BROKEN = {"row": pl.UInt32, "column": pl.String, "rule": pl.String}
VALUE_CHARS = 200  # of an offending value that quarantine keeps


def broken_rows(numbers: pl.Series, column: str, rule: str | pl.Series) -> pl.DataFrame:
    """BROKEN with these rows, which break one rule of the column, or each its own."""
    return pl.DataFrame({"row": numbers.cast(pl.UInt32)}).with_columns(column=pl.lit(column), rule=pl.lit(rule))


def numbered(found: pl.DataFrame, numbers: pl.Series) -> pl.DataFrame:
    """Positions in the chunk replaced by row numbers of the file."""
    return found.with_columns(numbers.gather(found["row"]).alias("row")).select(list(BROKEN))


def spread(found: pl.DataFrame, rows: pl.DataFrame) -> pl.DataFrame:
    """Places in the distinct values replaced by the numbers of all rows that hold them."""
    groups = found.group_by("column", "rule", maintain_order=True)
    all_rows = [
        broken_rows(rows[ROW].filter(rows[column].is_in(places["row"].implode())), column, rule)
        for (column, rule), places in groups
    ]
    return pl.concat([pl.DataFrame(schema=BROKEN), *all_rows])


def rejected(found: pl.DataFrame, chunk: Chunk, rows: pl.DataFrame) -> pl.DataFrame:
    """One line a rejected row: the first rule it broke, the value that broke it, in how many columns."""
    if found.is_empty():
        return pl.DataFrame(schema=REJECTED)
    firsts = found.group_by("row", maintain_order=True).agg(
        pl.first("column"), pl.first("rule"), pl.col("column").n_unique().cast(pl.UInt32).alias("num_broken")
    )
    values = pl.concat(
        [
            pl.DataFrame(chunk.ragged, schema={"row": pl.UInt32, "value": pl.String}, orient="row").with_columns(
                column=pl.lit("")
            ),
            pl.DataFrame(
                [*chunk.undecoded, *chunk.nested],
                schema={"row": pl.UInt32, "column": pl.String, "value": pl.String},
                orient="row",
            ),
            *(_cells(firsts, name, rows, chunk.distinct) for name in _shown(firsts, rows)),
        ],
        how="diagonal",
    ).unique(["row", "column"], keep="first")
    joined = firsts.join(values, on=["row", "column"], how="left").sort("row")
    return joined.with_columns(pl.col("value").str.slice(0, VALUE_CHARS)).select(list(REJECTED))


def _shown(firsts: pl.DataFrame, rows: pl.DataFrame) -> list[str]:
    """Columns whose broken cells are one value each."""
    return [name for name in firsts["column"].unique().sort() if name in rows.columns and not rows.schema[name].is_nested()]


def _cells(firsts: pl.DataFrame, name: str, rows: pl.DataFrame, distinct: pl.DataFrame) -> pl.DataFrame:
    wanted = firsts.filter((pl.col("column") == name) & (pl.col("rule") != "encoding"))["row"]
    places = rows[ROW].search_sorted(wanted)  # rows are in order of their numbers
    cells = rows[name].gather(places)
    values = distinct[name].gather(cells) if name in distinct.columns else cells.cast(pl.String)
    return pl.DataFrame({"row": wanted, "value": values}).with_columns(column=pl.lit(name))
