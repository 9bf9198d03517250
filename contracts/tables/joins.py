"""Side tables: read whole, once, and added to every row that has their key."""

from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path

import polars as pl

from contracts.dataset.columns import Column
from contracts.dataset.source import Format, Join, SourceError
from contracts.tables.chunk import ROW, Chunk
from contracts.tables.lists.cells import with_json_lists
from contracts.tables.lists.folds import filled, folded
from contracts.tables.number_cells import ADVICE, as_text
from contracts.tables.parsing import given, parsed, unread_rules
from contracts.tables.reading import read_chunks
from contracts.tables.text.header import delimiter_advice
from contracts.tables.text.json_lines import is_json_lines

KEY = "__key"  # a key as its column's type, so that 12, 12.0 and " 12" meet where it is an int; null where it is missing
FOUND = "__found"
SHOWN_CHARS = 40  # of a key in a message


@dataclass(frozen=True)
class SideTable:
    """A side table as rows are joined with it; it may serve several threads."""

    join: Join
    keys: tuple[Column, ...]
    key_formats: tuple[Format, ...]  # how the rows write each of them
    names: tuple[str, ...]  # the columns it brings
    table: pl.DataFrame  # these as strings, floats as floats, and each key typed
    sample: str | None  # one of its keys as it is written, parts separated by commas
    fmt: Format  # how its numbers are written: Parquet has numbers, which become text with a decimal point

    @property
    def title(self) -> str:
        return f"{self.join.files} by {self.named}"

    @property
    def named(self) -> str:
        """The key, or all that make it."""
        return ", ".join(self.join.keys)

    def attach(self, rows: pl.DataFrame) -> tuple[pl.DataFrame, pl.Series]:
        """The rows with the side table's columns, null without a match; and whether there is one, null without a key."""
        typed = [typed_key(key, rows.schema[key.name], fmt) for key, fmt in zip(self.keys, self.key_formats, strict=True)]
        keyed, names = rows.with_columns(typed), [typed_name(key) for key in self.keys]
        table = self.table.with_columns(pl.lit(True).alias(FOUND))
        joined = keyed.join(table, on=names, how="left", maintain_order="left")
        known = pl.all_horizontal(pl.col(names).is_not_null())
        matched = joined.select(pl.when(known).then(pl.col(FOUND).fill_null(False))).to_series()
        joined = filled(joined, self.join, known).drop(FOUND, *names)
        if self.join.matched is not None:  # stays null without a key: nobody knows
            found = pl.when(pl.Series(matched)).then(pl.lit("true")).when(~pl.Series(matched)).then(pl.lit("false"))
            joined = joined.with_columns(found.alias(self.join.matched))
        return joined, matched


def read_side_table(
    files: list[Path],
    folder: Path,
    join: Join,
    keys: tuple[Column, ...],
    key_formats: tuple[Format, ...],
    lists: tuple[Column, ...] = (),
) -> SideTable:
    """The side table that `files` make together; its columns among `lists` may hold lists.

    Raises SourceError if there are none, if one is not whole or lacks a column, or if a key repeats or is not of its dtype.
    """
    if not files:
        raise SourceError(f"no file below {folder} matches the join '{join.files}'; correct source.joins, or bring the file")
    parts = [_named(path, chunk, join, lists) for path in files for chunk in _chunks(path, join, lists)]
    other = next((i for i, part in enumerate(parts) if set(part.columns) != set(parts[0].columns)), None)
    if other is not None:
        differing = sorted(set(parts[other].columns) ^ set(parts[0].columns))
        raise SourceError(f"the files of the join '{join.files}' have not the same columns: {', '.join(differing)}")
    table = pl.concat(_alike([part.select(parts[0].columns) for part in parts], join))
    names = tuple(name for name in table.columns if name not in join.keys)
    if join.matched in names:
        raise SourceError(f"{files[0]} has a column '{join.matched}', the name that source.joins.matched gives to a new one")
    known = table.select(join.keys).drop_nulls().head(1)
    sample = next((", ".join(map(str, row)) for row in known.iter_rows()), None)
    for key in keys:
        table = _keyed(files[0], table, key, _written(files, join))
    typed = [typed_name(key) for key in keys]
    if join.fold:
        table, names = folded(files[0], table.select(*names, *typed), join, typed), tuple(join.fold)
    else:
        table = _unique(files[0], table.select(*names, *typed), keys)
    brought = names if join.matched is None else (*names, join.matched)
    return SideTable(join, keys, key_formats, brought, table, sample, _written(files, join))


def _unique(path: Path, table: pl.DataFrame, keys: tuple[Column, ...]) -> pl.DataFrame:
    """The rows without those that are there already. Raises SourceError where a key repeats all the same."""
    typed = [typed_name(key) for key in keys]
    table = table.unique(maintain_order=True)
    repeated = table.filter(pl.struct(typed).is_duplicated()).select(typed)
    if repeated.height:
        shown = ", ".join(f"{key.name}={short(str(value))}" for key, value in zip(keys, repeated.row(0), strict=True))
        raise SourceError(
            f"{path} has {shown} more than once; the key of a side table is unique, unless the join's fold says what becomes of "
            "several rows"
        )
    return table


def typed_name(key: Column) -> str:
    return f"{KEY} {key.name}"


def typed_key(key: Column, source: pl.DataType, fmt: Format) -> pl.Expr:
    return pl.when(given(key, source, fmt)).then(parsed(key, source, fmt, exactly=True)).alias(typed_name(key))


def _chunks(path: Path, join: Join, lists: tuple[Column, ...]) -> list[Chunk]:
    old = {new: old for old, new in join.rename.items()}
    named = join.format.names or (
        *(old.get(key, key) for key in join.keys),
        *join.rename,
        *(column.name for column in join.leave_out),
    )
    as_called = tuple(replace(column, name=old.get(column.name, column.name)) for column in lists)
    chunks = [with_json_lists(chunk, as_called) for chunk in read_chunks(path, join.format, named, frozenset(), any_header=True)]
    lines = {"columns": "has too many or too few cells", "json": "is no JSON object"}
    broken = [(row, f"{lines[chunk.line_rule]}: {short(text)}") for chunk in chunks for row, text in chunk.ragged]
    left_out = {column.name for column in join.leave_out}
    nested = [cell for chunk in chunks for cell in chunk.nested if cell[1] not in left_out]
    broken += [(row, f"has a list or an object in '{name}'") for row, name, _ in nested]
    undecoded = [cell for chunk in chunks for cell in chunk.undecoded]
    broken += [
        (row, f"has bytes in '{name}' that are not {join.format.encoding}: {short(text)}") for row, name, text in undecoded
    ]
    if broken:
        more = f", and {len(broken) - 1} more cannot be read" if len(broken) > 1 else ""
        raise SourceError(f"{path}: row {broken[0][0]} {broken[0][1]}{more}; a side table has to be whole")
    return chunks


def _named(path: Path, chunk: Chunk, join: Join, lists: tuple[Column, ...]) -> pl.DataFrame:
    """The rows as strings, without what is left out, under the names that the declaration gives them."""
    rows = chunk.spelled_out(chunk.rows.columns).rows.drop(ROW)
    left_out = [column.name for column in join.leave_out]
    _refuse_unknown(path, rows, [*left_out, *join.rename], join)
    rows = rows.drop(left_out)
    several = {column.name for column in lists}
    held = {name: _in_lists(kind) if join.rename.get(name, name) in several else kind for name, kind in rows.schema.items()}
    nested = next((name for name, kind in held.items() if kind.is_nested() or kind == pl.Binary), None)
    if nested is not None:
        raise SourceError(f"{path}: column '{nested}' holds {rows.schema[nested]}, which no dtype takes; leave it out")
    renamed = [join.rename.get(name, name) for name in rows.columns]
    twice = next((name for name, count in Counter(renamed).items() if count > 1), None)
    if twice is not None:
        raise SourceError(f"{path} has two columns '{twice}' after source.joins.rename; choose another name")
    rows.columns = renamed
    _refuse_unknown(path, rows, list(join.keys), join)
    rows = rows.with_columns(cells.fill_nan(None) for cells in rows if cells.dtype.is_float())
    texts = {cells.name: pl.List(pl.String) if cells.dtype.is_nested() else pl.String for cells in rows}
    return rows.with_columns(cells.cast(texts[cells.name]) for cells in rows if not _in_lists(cells.dtype).is_float())


def _in_lists(kind: pl.DataType) -> pl.DataType:
    """The type of the values in lists, or in cells that hold one."""
    return kind.inner if isinstance(kind, pl.List | pl.Array) else kind  # type: ignore[return-value]


def _alike(parts: list[pl.DataFrame], join: Join) -> list[pl.DataFrame]:
    """The parts with texts for floats where these are not floats of one kind in all of them."""
    names = [name for name in parts[0].columns if len({part.schema[name] for part in parts}) > 1]
    mixed = next((name for name in names if any(part.schema[name].is_nested() for part in parts)), None)
    if mixed is not None:
        raise SourceError(
            f"the files of the join '{join.files}' hold column '{mixed}' as lists and otherwise; write lists in all"
        )
    return [part.with_columns(_spelt_out(part[name], join) for name in names) for part in parts]


def _spelt_out(cells: pl.Series, join: Join) -> pl.Series:
    found = cells.to_frame().select(as_text(pl.col(cells.name), cells.dtype, exactly=True)).to_series()
    lost = cells.filter(found.is_null() & cells.is_not_null())
    if len(lost):
        raise SourceError(
            f"the files of the join '{join.files}' hold column '{cells.name}' in different types, "
            f"one as floats with {lost[0]}: {ADVICE['exact']}"
        )
    return found


def _written(files: list[Path], join: Join) -> Format:
    written = all(path.suffix == ".parquet" or is_json_lines(path) for path in files)
    return Format() if written else join.format


def _keyed(path: Path, table: pl.DataFrame, key: Column, fmt: Format) -> pl.DataFrame:
    """The rows that have the key, with it typed."""
    kind, typed = table.schema[key.name], typed_name(key)
    table = table.filter(given(key, kind, fmt)).with_columns(typed_key(key, kind, fmt))
    unread = table.filter(pl.col(typed).is_null())[key.name]
    if len(unread):
        why = ADVICE.get(unread_rules(key, unread[:1], fmt, exactly=True)[0], "correct it, or set the join's format")
        raise SourceError(
            f"{path} has {key.name}={short(str(unread[0]))}, which cannot be read as {key.dtype}, the key's dtype; {why}"
        )
    return table


def _refuse_unknown(path: Path, table: pl.DataFrame, names: list[str], join: Join) -> None:
    unknown = next((name for name in names if name not in table.columns), None)
    if unknown is not None:
        lone = table.width == 1 and path.suffix != ".parquet" and not is_json_lines(path)
        advice = delimiter_advice(table.columns[0], join.format) if lone else "rename gives columns other names"
        raise SourceError(
            f"{path} lacks the column '{unknown}' that source.joins names; it has {', '.join(table.columns)} ({advice})"
        )


def joined_names(tables: tuple[SideTable, ...]) -> list[str]:
    """Names of the columns that side tables bring. Raises SourceError if two bring the same, or if a key comes too late."""
    brought: dict[str, str] = {}
    for side in tables:
        rest = tables[tables.index(side) :]
        later = next(((key, t.join.files) for key in side.join.keys for t in rest if key in t.names), None)
        if later is not None:
            raise SourceError(
                f"the key '{later[0]}' of the join '{side.join.files}' comes from the join '{later[1]}'; put that one first"
            )
        clash = next((name for name in side.names if name in brought), None)
        if clash is not None:
            raise SourceError(
                f"side tables '{brought[clash]}' and '{side.join.files}' both have the column '{clash}'; "
                "put it in leave_out of one of the joins, or give it another name with its rename"
            )
        brought |= dict.fromkeys(side.names, side.join.files)
    return list(brought)


def short(value: str | None) -> str:
    return repr(value if value is None or len(value) <= SHOWN_CHARS else value[:SHOWN_CHARS] + "...")
