"""The month's file as a model would be trained on it: its clean rows, typed by the declaration, as Parquet for a join."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import polars as pl

from contracts.dataset.declaration import Declaration
from contracts.dataset.partitions import SHARED, matching
from contracts.dataset.source import SourceError
from contracts.tables.contract import contract_of
from contracts.tables.parquet import ParquetRows
from contracts.tables.raw import main_columns, read_partition, side_tables
from lifecycle.monitor.skew.counted import write_counted

RAW_DIR = Path("data/raw")  # holds the side tables that a declaration's joins name
KEY = "__key"  # column: the row's key as callers write it


@dataclass(frozen=True, kw_only=True)
class MonthRows:
    """What is in the file."""

    clean: Path
    rows: int
    rejected: int  # rows that break the contract, which are not compared
    rules: dict[str, int]  # which rule in which column, how often


def write_month(given: Path, declaration: Declaration, to: Path, hidden: Callable[[str], str] | None = None) -> MonthRows:
    """Write the clean rows of a file, or of the files in a folder, to `to`. `hidden` is what the journal makes of keys.

    Raises ValueError if there is no such file, no key is declared, or the file cannot be read as declared.
    """
    if declaration.key is None:
        raise ValueError(
            f"the declaration of '{declaration.name}' has no column with role key, so no row of {given} can be found among the "
            "answers; give the column that callers send as their key this role"
        )
    if declaration.unfold is not None:
        raise ValueError(
            f"rows of '{declaration.name}' hold lists of impressions, and a list's key does not tell which answer is about "
            f"which of them, so {given} cannot be compared with the answers"
        )
    files = files_of(given, declaration)
    is_labelled = bool(declaration.so_far)  # what is counted so far needs the rows' clicks
    tables = side_tables(RAW_DIR / SHARED, declaration, labelled=is_labelled)
    contract = contract_of(replace(declaration, images=None), tables, None, labelled=is_labelled)
    optional = frozenset(c.name for c in declaration.leave_out) if is_labelled else declaration.optional_to_score
    clean = to.with_name(f"{to.name}.clean") if is_labelled else to
    counts, rules = Counter[str](), Counter[str]()
    with ParquetRows(clean) as writer:
        for path, chunk in read_partition(files, declaration, main_columns(declaration, tables), optional):
            try:
                good, bad = contract.check(chunk)
            except SourceError as error:
                raise SourceError(f"{path}: {error}") from error
            counts.update(rows=len(chunk), rejected=len(bad))
            rules.update(f"{rule} {column}".strip() for column, rule in bad.select("column", "rule").iter_rows())
            writer.write(_keyed(good, declaration.key.name, hidden))
    if counts["rows"] == counts["rejected"]:
        raise ValueError(
            f"all {counts['rows']:,} rows of {given} break the contract ({_worst(rules)}); is it this data set's file?"
        )
    if is_labelled:
        write_counted(clean, given, declaration, to)
    return MonthRows(clean=to, rows=counts["rows"], rejected=counts["rejected"], rules=dict(rules.most_common()))


def files_of(given: Path, declaration: Declaration) -> list[Path]:
    if given.is_file():
        return [given]
    found = matching(given, declaration.source.files)
    if not found:
        globs = ", ".join(declaration.source.files)
        raise ValueError(f"{given} {'holds no file that matches ' + globs if given.is_dir() else 'does not exist'}")
    return found


def _keyed(rows: pl.DataFrame, key: str, hidden: Callable[[str], str] | None) -> pl.DataFrame:
    texts = rows[key].cast(pl.String).alias(KEY)
    if hidden is not None:
        texts = pl.Series(KEY, [None if text is None else hidden(text) for text in texts], dtype=pl.String)
    return rows.with_columns(texts)


def _worst(rules: Counter[str]) -> str:
    return ", ".join(f"{rule}: {rows:,}" for rule, rows in rules.most_common(3))
