"""What the journal has of rows that were asked: answers from before this program was killed, by their keys, of Parquet and
segments; and whether all are in segments that can be made Parquet.
"""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import cast

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from lifecycle.journal.answers import AnswersPile
from lifecycle.journal.columns import Kind, table_of
from lifecycle.journal.segments import NotASegment, Segment
from lifecycle.journal.served import SERVED, is_closed, unserved
from serving.journal.folder import SEGMENTS
from serving.triton.journal.layout import ANSWERS

TOLD = pa.schema(
    [
        *(("key", pa.string()), ("answered_at", pa.timestamp("ns", "UTC")), ("prediction_id", pa.string())),
        *(("row", pa.uint32()), ("release", pa.int64()), ("probability", pa.float32())),
    ]
)


def answers_by_key(journal: Path, keys: pl.Series) -> pl.DataFrame:
    """The last answer to each of these keys that has one: key, prediction_id, row, release, probability."""
    wanted = keys.to_arrow().cast(pa.string())
    found = [_of(table, wanted) for table in (*_in_parquet(journal), *_in(_segments(journal)))]
    answers = cast(pl.DataFrame, pl.from_arrow(pa.concat_tables([TOLD.empty_table(), *found])))
    last = answers.sort("answered_at", "prediction_id").unique("key", keep="last", maintain_order=True)
    return last.drop("answered_at")


def whole_pages(answers: pl.DataFrame, rows: pl.DataFrame) -> pl.DataFrame:
    """Of `rows`, page views of which every candidate has an answer, with these."""
    joined = rows.join(answers, on="key", how="left", maintain_order="left")
    return joined.filter(pl.col("prediction_id").is_not_null().all().over("page"))


def is_settled(journal: Path) -> bool:
    """Is there no answer in a segment that is still written."""
    return next(_in([path for path in _segments(journal) if not is_closed(path)]), None) is None


def _of(table: pa.Table, wanted: pa.Array) -> pa.Table:
    """The rows with these keys."""
    told = table.select(TOLD.names).cast(TOLD)
    return told.filter(pc.is_in(told["key"], wanted))


def _in_parquet(journal: Path) -> Iterator[pa.Table]:
    for path in sorted((journal / SERVED).rglob("*.parquet")):
        yield pq.ParquetFile(path).read(TOLD.names)


def _segments(journal: Path) -> list[Path]:
    """Those that are not Parquet yet, some of which are written."""
    return unserved(journal) if (journal / SEGMENTS).is_dir() else []


def _in(segments: list[Path]) -> Iterator[pa.Table]:
    for path in segments:
        try:
            segment = Segment(path)
        except (NotASegment, FileNotFoundError):  # begun and not more, or made Parquet meanwhile
            continue
        with closing(segment):
            kind = Kind.of(segment.about)
            pile = AnswersPile(kind.widths)
            for frame in segment.frames():
                if frame.kind == ANSWERS:
                    pile.add(segment.content, frame.start, frame.end)
            if pile.num_rows:
                yield table_of(pile.take(), kind)
