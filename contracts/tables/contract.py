"""The contract of a data set: takes raw chunks apart into clean rows and rejected rows, each of which says why."""

from dataclasses import dataclass, field, replace

import numpy as np
import pandera.polars as pa
import polars as pl

from contracts.dataset.columns import OUTCOME, Column
from contracts.dataset.declaration import Declaration
from contracts.dataset.source import Format
from contracts.dataset.unfold import ImpressionLists
from contracts.tables.chunk import ROW, Chunk
from contracts.tables.clean_rows import CleanRows
from contracts.tables.computed.of_row import with_computed
from contracts.tables.joins import SideTable, short
from contracts.tables.lists.cells import with_json_lists
from contracts.tables.lists.slots import ChunkSlots
from contracts.tables.parsing import YEARS, derived, dtype_of, given, parsed, refuse_unreadable, unread_rules
from contracts.tables.rejected import BROKEN, broken_rows, numbered, rejected, spread
from contracts.tables.schema import schema_of, violations
from contracts.tables.seen import SeenValues


@dataclass
class Contract:
    """Checks the chunks of one partition; it remembers unique values, so one object serves one partition."""

    columns: tuple[Column, ...]  # what clean rows hold
    formats: dict[str, Format]  # how the numbers of each column are written
    lists: tuple[Column, ...] = ()  # whose slots are among the columns
    joins: tuple[SideTable, ...] = ()
    images: tuple[str, frozenset[str]] | None = None  # creative column and ids that have an image
    unfold: ImpressionLists | None = None  # where rows came out of lists of impressions
    image_needed: bool = False  # is a row whose creative has none rejected
    seen: dict[str, SeenValues] = field(default_factory=dict)
    num_matched: list[int] = field(default_factory=list)  # rows with a match, of each join
    samples: dict[str, str] = field(default_factory=dict)  # of each join's key and of creatives the first that the rows have
    num_imaged: int = 0  # rows whose creative has an image

    _schemas: dict[tuple[tuple[str, bool], ...], pa.DataFrameSchema] = field(default_factory=dict)  # of columns examined together

    def __post_init__(self) -> None:
        self.seen = {c.name: SeenValues() for c in self.columns if c.unique or c.role == "key"}
        self.num_matched = [0] * len(self.joins)
        instants = [name for c in self.columns for name in c.instants]
        self.keys = {*self.seen, *(name for side in self.joins for name in side.join.keys)}
        self.spelled_out = {*self.keys, *instants}
        slotted = {column.name for column in self.lists}
        self.later = {c.name for c in self.columns if c.slot_of in slotted or c.made_of}

    def check(self, chunk: Chunk) -> tuple[pl.DataFrame, pl.DataFrame]:
        """Clean rows (the columns, typed, then ROW) and rejected rows (REJECTED); together every row of the chunk."""
        clean, bad = self.check_values(chunk)
        return clean.spelled_out([*(c.name for c in self.columns), ROW]), bad

    def check_values(self, chunk: Chunk) -> tuple[CleanRows, pl.DataFrame]:
        """As `check`, with the clean rows' repeated columns as places of their values."""
        chunk = with_json_lists(chunk.spelled_out(self.spelled_out), self.lists)
        rows, unmatched = self._joined(chunk.rows)
        numbers = rows[ROW]
        columns = self._columns_of(chunk)
        slots = self._slots_of(chunk, rows)
        repeated = [c.name for c in columns if c.name in chunk.distinct.columns]
        cells, *broken = self._examined(rows, tuple(c for c in columns if c.name not in repeated))
        values, *broken_values = self._examined(chunk.distinct, tuple(c for c in columns if c.name in repeated))
        typed = CleanRows(
            cells=pl.DataFrame([*cells, *slots.cells, numbers]),
            places=pl.DataFrame([*rows.select(repeated), *slots.places]),
            values=pl.DataFrame([*values, *slots.values]),
        )
        typed = with_computed(typed, self.columns)
        order = {c.name: place for place, c in enumerate(columns)}
        broken = [
            pl.concat([numbered(found, numbers), spread(found_values, rows)]).sort(
                pl.col("column").replace_strict(order, return_dtype=pl.UInt32), maintain_order=True
            )
            for found, found_values in zip(broken, broken_values, strict=True)
        ]
        found = pl.concat(
            [
                pl.DataFrame([(row, "", chunk.line_rule) for row, _ in chunk.ragged], schema=BROKEN, orient="row"),
                pl.DataFrame([(row, name, "encoding") for row, name, _ in chunk.undecoded], schema=BROKEN, orient="row"),
                pl.DataFrame([(row, name, "dtype") for row, name, _ in chunk.nested], schema=BROKEN, orient="row"),
                *self._unlisted(rows),
                *unmatched,
                *broken,
                *self._overcounted(typed, numbers),
                *slots.broken,
                *self._imageless(typed, numbers),
            ]
        )
        bad = rows[ROW].is_in(found["row"].unique().implode())
        repeats = [broken_rows(numbers.filter(again), name, "unique") for name, again in self._repeats(typed, ~bad, chunk.origin)]
        found = pl.concat([found, *repeats])
        clean = typed.where(~numbers.is_in(found["row"].unique().implode()))
        in_file = replace(clean, cells=chunk.in_file(clean.cells, ROW))  # which are in its rows' order already
        whole = replace(chunk, nested=[*slots.texts, *chunk.nested])
        return in_file, chunk.in_file(rejected(found, whole, rows), "row")

    def _columns_of(self, chunk: Chunk) -> tuple[Column, ...]:
        """The columns by the rules for the chunk: those that began later may be missing, and what is computed from them.

        Slots are none of them, nor what is computed of other columns: these have no rules.
        """
        columns = tuple(c for c in self.columns if c.name not in self.later) if self.later else self.columns
        if not chunk.early:
            return columns
        return tuple(replace(c, nullable=True) if {c.name, *c.instants} & chunk.early else c for c in columns)

    def _slots_of(self, chunk: Chunk, rows: pl.DataFrame) -> ChunkSlots:
        found = ChunkSlots()
        for column in self.lists:
            nullable = column.nullable or column.name in chunk.early
            found.add(column, rows, chunk.distinct, self.formats[column.name], nullable, self._examined)
        return found

    def _examined(self, cells: pl.DataFrame, columns: tuple[Column, ...]) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
        """The typed columns, and the places of the cells that cannot be read and of those that break a rule."""
        if not columns:
            empty = pl.DataFrame(schema=BROKEN)
            return pl.DataFrame(), empty, empty
        typed, unparsed = self._typed(cells, columns)
        rules = tuple((column.name, column.nullable) for column in columns)  # what differs from chunk to chunk
        if rules not in self._schemas:
            self._schemas[rules] = schema_of(columns)
        return typed, unparsed, violations(self._schemas[rules], typed)

    def _joined(self, rows: pl.DataFrame) -> tuple[pl.DataFrame, list[pl.DataFrame]]:
        broken = []
        for i, side in enumerate(self.joins):
            name, keys = side.named, rows.select(side.join.keys)
            if name not in self.samples and len(known := keys.drop_nulls().head(1)):
                self.samples[name] = ", ".join(map(str, known.row(0)))
            rows, matched = side.attach(rows)
            self.num_matched[i] += int(matched.sum())
            if not side.join.lenient:
                broken.append(broken_rows(rows[ROW].filter(~matched), side.join.keys[0], "join"))
        return rows, broken

    def unmatched(self) -> dict[str, str]:
        """By side table and key, what to say if no row of any partition has a match there, as none of this one's has."""
        found = zip(self.joins, self.num_matched, strict=True)
        return self._no_image_fits() | {
            side.title: f"no row has a match in the side table '{side.join.files}': by {side.named} the rows have "
            f"{short(self.samples.get(side.named))}, the side table has {short(side.sample)}; make the two alike, or take "
            "the join out"
            for side, count in found
            if count == 0 and side.join.lenient
        }

    def _no_image_fits(self) -> dict[str, str]:
        if self.images is None or self.image_needed or self.num_imaged:
            return {}
        name, known = self.images
        return {
            "images": f"no row has an image: by {name} the rows have {short(self.samples.get(name))}, an image's file is called "
            f"{short(min(known, default=None))} (without suffix); make the two alike, or take images out"
        }

    def _typed(self, cells: pl.DataFrame, columns: tuple[Column, ...]) -> tuple[pl.DataFrame, pl.DataFrame]:
        """The columns with their types, and the places of cells that could not be read as such and why."""
        sources = [c for c in columns if c.derive_from is None]
        present, values = {}, {}
        for column in sources:
            kind, fmt = cells.schema[column.name], self.formats[column.name]
            refuse_unreadable(column, kind)
            present[column.name] = given(column, kind, fmt)
            values[column.name] = parsed(column, kind, fmt, self._exactly(column))
        given_cells, typed = cells.select(**present), cells.select(**values)
        typed = typed.with_columns(_within_years(c) for c in sources if c.dtype == "datetime")
        wrong = [(c, (given_cells[c.name] & typed[c.name].is_null()).arg_true()) for c in sources]
        typed = typed.with_columns(
            pl.when(given_cells[c.name]).then(pl.col(c.name)).cast(dtype_of(c)).alias(c.name) for c in sources
        )
        instants = {c.name: c for c in sources}
        typed = typed.with_columns(derived(c, instants) for c in columns if c.derive_from is not None)
        unparsed = [broken_rows(places, c.name, self._why(c, cells[c.name].gather(places))) for c, places in wrong if len(places)]
        return typed.select(c.name for c in columns), pl.concat([pl.DataFrame(schema=BROKEN), *unparsed])

    def _exactly(self, column: Column) -> bool:
        """Do the column's values name something, so that none may pass for another."""
        return column.name in self.keys or (column.dtype in ("int", "string") and column.role != "numeric")

    def _why(self, column: Column, unread: pl.Series) -> pl.Series:
        return unread_rules(column, unread, self.formats[column.name], self._exactly(column))

    def _unlisted(self, rows: pl.DataFrame) -> list[pl.DataFrame]:
        """Impressions that are not written as lists have them. To be scored, they need no label."""
        if self.unfold is None:
            return []
        label = next((c.name for c in self.columns if c.role == "label"), None)
        marks = pl.col(self.unfold.column).str.count_matches(self.unfold.before_label, literal=True)
        written = (marks <= 1) & (pl.col(self.unfold.item) != "")
        if label is not None:
            written &= (marks == 1) & (pl.col(label) != "")
        wrong = rows.select(~written.fill_null(False)).to_series()
        return [broken_rows(rows[ROW].filter(wrong), self.unfold.column, "list")]

    def _overcounted(self, typed: CleanRows, numbers: pl.Series) -> list[pl.DataFrame]:
        """Rows with more clicks than impressions; one without a number of impressions has one."""
        names = {c.role: c.name for c in self.columns if c.role in ("impressions", "clicks")}
        if len(names) < 2:
            return []
        more = (typed.column(names["clicks"]) > typed.column(names["impressions"]).fill_null(1)).fill_null(False)
        return [broken_rows(numbers.filter(more), names["clicks"], "counts")]

    def _imageless(self, typed: CleanRows, numbers: pl.Series) -> list[pl.DataFrame]:
        if self.images is None:
            return []
        name, known = self.images
        creatives = typed.column(name).cast(pl.String)
        shown = creatives.unique().drop_nulls()
        unknown = [creative for creative in shown if creative not in known]
        without = creatives.is_in(pl.Series(unknown, dtype=pl.String).implode()).fill_null(False)
        self.num_imaged += int((~without & creatives.is_not_null()).sum())
        if name not in self.samples and len(shown):
            self.samples[name] = str(shown.min())
        return [broken_rows(numbers.filter(without), name, "image")] if self.image_needed else []

    def _repeats(self, typed: CleanRows, good: pl.Series, origin: np.ndarray | None) -> list[tuple[str, pl.Series]]:
        """Among good rows, where a unique column repeats an earlier value; impressions of one list have theirs together."""
        repeats = []
        for name, seen in self.seen.items():
            values = typed.cells[name]  # keys are spelled out
            where = (good & values.is_not_null()).to_numpy()
            places = where.nonzero()[0]
            if origin is not None:
                places = places[np.unique(origin[places], return_index=True)[1]]
            again = np.zeros(len(values), dtype=bool)
            again[places] = seen.add(values.gather(places).hash(seed=0).to_numpy())
            if origin is not None:
                again = where & np.isin(origin[: len(values)], origin[: len(values)][again])
            repeats.append((name, pl.Series(again)))
        return repeats


def contract_of(
    declaration: Declaration, tables: tuple[SideTable, ...], images: frozenset[str] | None, *, labelled: bool = True
) -> Contract:
    """The contract of a partition. With `labelled` false, rows need no label (they are to be scored)."""
    columns = tuple(c for c in declaration.columns if (labelled or c.role not in OUTCOME) and c.so_far is None)
    formats = {c.name: declaration.source.format for c in declaration.written}
    for side in tables:
        formats |= dict.fromkeys(side.names, side.fmt)
    pictures, creative = declaration.images, declaration.creative  # the second is there where the first is
    return Contract(
        columns=columns,
        formats=formats,
        lists=declaration.lists,
        joins=tables,
        unfold=declaration.unfold,
        images=None if pictures is None or creative is None or images is None else (creative.name, images),
        image_needed=pictures is not None and images is not None and pictures.missing == "quarantine",
    )


def _within_years(column: Column) -> pl.Expr:
    return pl.when(pl.col(column.name).dt.year().is_between(*YEARS)).then(pl.col(column.name))
