"""JSON lines that are plain: with the same names between the same marks as another line, and values that are texts without
escapes, numbers, true, false or null. Their cells are taken column by column; all other lines have to be parsed.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import polars as pl
import pyarrow as pa

from contracts.tables.chunk import repeats
from contracts.tables.text.decoding import MARK

BLANK = r"[ \t\n\r]*"
TEXT = rf'"[^"\\\x00-\x1f{MARK}]*"'
VALUE = rf"(?:{TEXT}|-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?|true|false|null)"
PAIR = re.compile(rf"({BLANK}([{{,]){BLANK}({TEXT}){BLANK}:{BLANK}){VALUE}")
END = re.compile(rf"{BLANK}\}}{BLANK}")
WHOLE = f"^{VALUE}$"
FEW = 256  # lines that are parsed sooner than taken column by column
MOST_SHAPES, TRIED = 4, 8  # of so many first lines one tells the next shape
LEAST_SHARE = 1 / 16  # of the lines that are left, which a shape has to fit to be worth it
SAMPLE_ROWS = 4096  # that tell whether a column repeats itself
NULL, QUOTE = "null", '"'


@dataclass(frozen=True, kw_only=True)
class PlainLines:
    """Lines of one shape, at least one."""

    places: np.ndarray  # int64, ascending: which of the lines they are
    columns: dict[str, pa.Array]  # large strings, or a dictionary of such where they repeat; null is a missing value


@dataclass(frozen=True, kw_only=True)
class Shape:
    """What stands around the values of a line."""

    names: tuple[str, ...]
    between: str  # two values: how each of the `before` begins, but for the first
    before: tuple[str, ...]  # each value, without `between`
    after: str

    @classmethod
    def of(cls, line: str) -> Self | None:
        """The shape of a line; None if it is not plain."""
        names, before, end = list[str](), list[str](), 0
        while found := PAIR.match(line, end):
            if (found[2] == "{") != (end == 0):
                return None
            before.append(found[1])
            names.append(found[3][1:-1])
            end = found.end()
        between = before[1][: before[1].index(QUOTE) + 1] if len(before) > 1 else ","
        is_alike = all(text.startswith(between) for text in before[1:])
        if not names or len({*names}) < len(names) or not END.fullmatch(line, end) or not is_alike:
            return None
        heads = (before[0], *(text.removeprefix(between) for text in before[1:]))
        return cls(names=tuple(names), between=between, before=heads, after=line[end:])

    def taken_from(self, lines: pl.Series, places: np.ndarray) -> PlainLines:
        """Those of the lines that have this shape; `places` says which lines they are."""
        cut = lines.str.splitn(self.between, len(self.names)).struct.unnest()
        fits, columns = np.ones(len(lines), dtype=bool), dict[str, pa.Array]()
        for i, (name, before) in enumerate(zip(self.names, self.before, strict=True)):
            after = self.after if i == len(self.names) - 1 else ""
            cells = cut.to_series(i)
            sample = cells.head(SAMPLE_ROWS)
            if repeats(sample.n_unique(), len(sample)):
                coded = _arrow(cells).dictionary_encode()
                texts, is_plain = _texts(pl.Series(coded.dictionary), before, after)
                code = pl.Series(coded.indices).fill_null(len(texts)).to_numpy()  # the line has no such part
                fits &= np.append(is_plain.to_numpy(), False)[code]
                is_null = np.append(texts.is_null().to_numpy(), True)[code]
                columns[name] = pa.DictionaryArray.from_arrays(pa.array(code, mask=is_null), _arrow(texts.fill_null("")))
            else:
                texts, is_plain = _texts(cells, before, after)
                fits &= is_plain.to_numpy()
                columns[name] = _arrow(texts)
        if fits.all():
            return PlainLines(places=places, columns=columns)
        where = pa.array(fits.nonzero()[0])
        return PlainLines(places=places[fits], columns={name: cells.take(where) for name, cells in columns.items()})


def plain_lines(lines: Sequence[str]) -> tuple[list[PlainLines], np.ndarray]:
    """The plain lines by their shapes, and the places of all others."""
    left, found = np.arange(len(lines)), list[PlainLines]()
    texts = pl.Series(lines, dtype=pl.String)
    while len(left) > FEW and len(found) < MOST_SHAPES:
        shape = next((shape for i in left[:TRIED] if (shape := Shape.of(lines[i])) is not None), None)
        if shape is None:
            break
        plain = shape.taken_from(texts.gather(left) if found else texts, left)
        if len(plain.places) < LEAST_SHARE * len(left):
            break
        found.append(plain)
        left = np.setdiff1d(left, plain.places, assume_unique=True)
    return found, left


def _texts(cells: pl.Series, before: str, after: str) -> tuple[pl.Series, pl.Series]:
    """What the values say that stand between `before` and `after`, and which are plain; null where they are not, or say null."""
    cell = pl.col("cell")
    framed = cell.str.starts_with(before) & cell.str.ends_with(after) & (cell.str.len_bytes() > len((before + after).encode()))
    value = cell.str.strip_prefix(before).str.strip_suffix(after)
    frame = cells.to_frame("cell").select(value=value, is_plain=(framed & value.str.contains(WHOLE)).fill_null(False))
    value, bare = pl.col("value"), pl.col("value").str.strip_prefix(QUOTE).str.strip_suffix(QUOTE)
    says = pl.when(pl.col("is_plain") & (value != NULL)).then(bare)
    return frame.select(says.alias("")).to_series(), frame["is_plain"]


def _arrow(cells: pl.Series) -> pa.Array:
    """The texts as large strings of Arrow."""
    return cells.to_arrow(compat_level=pl.CompatLevel.oldest())
