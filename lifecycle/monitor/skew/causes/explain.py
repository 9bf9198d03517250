"""The best explanation of a column's different values, and whether they keep to rows with one value of another column."""

from collections.abc import Iterator
from dataclasses import dataclass

from lifecycle.monitor.skew.causes.cause import DifferentPairs, SkewCause
from lifecycle.monitor.skew.causes.numbers import number_causes
from lifecycle.monitor.skew.causes.texts import text_causes
from lifecycle.monitor.skew.joined import JoinedSides, SkewColumn

SAMPLE = 100_000  # different rows that are looked at to explain a column
MANY = 1000  # values of a column from which on it tells single things apart, not parts of the traffic
UNEXPLAINED = "another one, in no way that has a name here"


@dataclass(frozen=True, kw_only=True)
class Whereabouts:
    """Nearly all different rows have this value in another column, and nearly all rows that have it are different."""

    column: str
    value: str
    of_different: float
    of_value: float


def explain(sides: JoinedSides, one: SkewColumn, needed: float) -> SkewCause:
    """The first explanation that explains `needed` of the different rows, by kind, else that nothing does."""
    found = sides.frame(
        f"SELECT file_{one.place} AS file, served_{one.place} AS served FROM both_sides WHERE {one.different} "
        f"ORDER BY hash(key) LIMIT {SAMPLE}"
    )
    pairs = DifferentPairs(column=one.column, file=found["file"], served=found["served"])
    good = (cause for cause in _causes(sides, one, pairs) if cause.share >= needed)
    return next(good, SkewCause(kind="different", text=UNEXPLAINED, share=0.0))


def _causes(sides: JoinedSides, one: SkewColumn, pairs: DifferentPairs) -> Iterator[SkewCause]:
    total = len(pairs)
    empty, only_file = (float(side.is_null().sum()) / total for side in (pairs.served, pairs.file))
    yield SkewCause(kind="missing", text="empty, and the file has one", share=empty)
    yield SkewCause(kind="missing", text="there, and the file has none", share=only_file)
    yield from _swapped(sides, one)
    there = pairs.there
    of = number_causes if one.kind in ("FLOAT", "BIGINT") else text_causes
    for cause in of(there):
        yield SkewCause(kind=cause.kind, text=cause.text, share=cause.share * len(there) / total)


def _swapped(sides: JoinedSides, one: SkewColumn) -> Iterator[SkewCause]:
    """With another column of the same type: each has the other's value."""
    for other in sides.columns:
        if other.kind == one.kind and other.place != one.place:
            pairs = ((one.place, other.place), (other.place, one.place))
            crossed = " AND ".join(f"file_{here} IS NOT DISTINCT FROM served_{there}" for here, there in pairs)
            query = f"SELECT avg(CAST({crossed} AS INT)) AS share FROM both_sides WHERE {one.different}"
            share = float(sides.frame(query)["share"][0] or 0.0)
            yield SkewCause(
                kind="swapped", text=f"that of column '{other.name}' in the file, and the other way round", share=share
            )


def whereabouts(sides: JoinedSides, one: SkewColumn, needed: float) -> Whereabouts | None:
    """The value of another column, or the release, to which the differences keep, and outside of which there are few; or None."""
    some = f"file_{one.place} IS NOT NULL OR served_{one.place} IS NOT NULL"
    all_different, all_rows = sides.frame(
        f"SELECT count(*) FILTER ({one.different}) AS different, count(*) FILTER ({some}) AS rows FROM both_sides"
    ).row(0)
    places = {other.name: (f"served_{other.place}", f"file_{other.place}") for other in sides.columns if other.place != one.place}
    found = []
    for name, (served, file) in (places | {"release": ("release", "release")}).items():
        table = sides.frame(
            f"""SELECT CAST({file} AS VARCHAR) AS value, count(*) FILTER ({one.different}) AS different,
                count(*) FILTER ({some}) AS rows
            FROM both_sides WHERE {file} IS NOT DISTINCT FROM {served} GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT {MANY + 1}"""
        )
        if 1 < len(table) <= MANY and table["value"][0] is not None:
            value, different, rows = table.row(0)
            inside, outside = different / max(rows, 1), (all_different - different) / max(all_rows - rows, 1)
            if outside <= (1 - needed) * inside:
                found.append(Whereabouts(column=name, value=value, of_different=different / all_different, of_value=inside))
    good = [where for where in found if min(where.of_different, where.of_value) >= needed]
    return max(good, key=lambda where: where.of_different * where.of_value, default=None)
