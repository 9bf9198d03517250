"""What clients send of their page views: the rows as they are, unless a fault spoils a column of some of them."""

from zlib import crc32

import polars as pl

from contracts.lifecycle.live import CLIENTS, FaultConfig

SITE, HOURS = "site_id", 24


def sent_rows(rows: pl.DataFrame, fault: FaultConfig | None, since_ms: int, entity: str) -> pl.DataFrame:
    """The rows as they are sent. The same clients are struck every day: `fault.share` of the values of column `entity`."""
    if fault is None or fault.kind not in CLIENTS or fault.column is None:
        return rows
    if fault.column not in rows.columns:
        raise ValueError(f"live.fault.column '{fault.column}' is no column of a page view; set it in conf/live/")
    struck = (pl.col("at_ms") >= since_ms) & struck_clients(rows[entity], fault)
    struck = struck if fault.site is None else struck & (pl.col(SITE) == fault.site)
    spoilt = spoilt_values(pl.col(fault.column), fault).cast(rows.schema[fault.column])
    return rows.with_columns(pl.when(struck).then(spoilt).otherwise(pl.col(fault.column)).alias(fault.column))


def struck_clients(entities: pl.Series, fault: FaultConfig) -> pl.Series:
    """Bool, a value a row: does this client have the fault. It follows from its name alone."""
    names = entities.unique()
    limit = fault.share * 2**32
    struck = [name for name in names if crc32(f"{fault.kind} {name}".encode()) < limit]
    return entities.is_in(struck)


def spoilt_values(column: pl.Expr, fault: FaultConfig) -> pl.Expr:
    if fault.kind == "broken_hour":
        return (column + int(fault.size or 0)) % HOURS
    if fault.kind == "cents":
        return column * fault.size
    return pl.lit(None)
