"""Side tables with several rows for a key: folded once, when they are read, into a row for each key."""

from pathlib import Path

import polars as pl

from contracts.dataset.source import Join, SourceError


def folded(path: Path, table: pl.DataFrame, join: Join, keys: list[str]) -> pl.DataFrame:
    """A row for each of the typed `keys`, with what `join.fold` says: lists of values, and numbers of rows as texts.

    Raises SourceError for a column that is in neither `fold` nor `leave_out`, and for one that is folded and not there.
    """
    sets = [name for name, fold in join.fold.items() if fold == "set"]
    counts = [name for name, fold in join.fold.items() if fold == "count"]
    there = [name for name in table.columns if name not in keys]
    lacking = next((name for name in sets if name not in there), None)
    if lacking is not None:
        raise SourceError(
            f"{path} lacks the column '{lacking}' that source.joins folds into a set; "
            f"it has {', '.join(there) or 'none but keys'}"
        )
    taken = next((name for name in counts if name in there), None)
    if taken is not None:
        raise SourceError(f"{path} has a column '{taken}', the name that source.joins.fold gives to the number of rows")
    single = next((name for name in there if name not in sets), None)
    if single is not None:
        raise SourceError(
            f"{path} has the column '{single}', and may have several rows for a key; add it to the join's fold as a set, or to "
            "its leave_out"
        )
    nested = next((name for name in sets if table.schema[name].is_nested()), None)
    if nested is not None:
        raise SourceError(f"{path}: column '{nested}' holds lists already; a set is folded from one value a row")
    counted = [pl.len().cast(pl.String).alias(name) for name in counts]
    return table.group_by(keys, maintain_order=True).agg(*sets, *counted).select(*join.fold, *keys)


def filled(rows: pl.DataFrame, join: Join, known: pl.Expr) -> pl.DataFrame:
    """`rows` with an empty set and the number 0 where a key is `known` and the side table has no row for it."""
    nothing = {name: pl.lit("0") if fold == "count" else pl.lit([], rows.schema[name]) for name, fold in join.fold.items()}
    return rows.with_columns(
        pl.when(known & pl.col(name).is_null()).then(none).otherwise(pl.col(name)).alias(name) for name, none in nothing.items()
    )
