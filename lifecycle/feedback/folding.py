"""The rules applied to many rows: events in order of their rows become what is known of each row then."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow as pa

from lifecycle.feedback.rules import FeedbackEvent, RowFacts, Statement, judge_all
from lifecycle.feedback.store import LATE

FACTS = (  # columns of the table `facts`, in order
    *("prediction_id", "row_no", "key", "answered_ns", "release"),
    *("is_shown", "shown_ns", "clicked", "said_ns", "source", "late_clicked", "late_ns", "late_source", "final_ns"),
)
TYPES = [
    *(pa.string(), pa.uint32(), pa.string(), pa.int64(), pa.int64()),
    *(pa.bool_(), pa.int64(), pa.int8(), pa.int64(), pa.string(), pa.int8(), pa.int64(), pa.string(), pa.int64()),
]
SCHEMA = pa.schema(list(zip(FACTS, TYPES, strict=True)))
AT_ONCE = 1 << 16  # rows of facts in a piece


def fold(batches: Iterator[pa.RecordBatch], maturity_ns: int, classes: Counter[str]) -> Iterator[pa.Table]:
    """Tables of SCHEMA, a row for each row that events are about. `classes` is added to.

    `batches` has the columns of FACTS, then seq, kind, time, clicked and source of an event, sorted by row, then seq.
    """
    piece: list[tuple[Any, ...]] = []
    for row, events in _by_row(batches):
        piece.append(_folded(row, events, maturity_ns, classes))
        if len(piece) >= AT_ONCE:
            yield _table(piece)
            piece = []
    if piece:
        yield _table(piece)


def _by_row(batches: Iterator[pa.RecordBatch]) -> Iterator[tuple[tuple[Any, ...], list[FeedbackEvent]]]:
    known: tuple[Any, ...] | None = None
    events: list[FeedbackEvent] = []
    for batch in batches:
        for cells in zip(*(column.to_pylist() for column in batch.columns), strict=True):
            if known is None or cells[:2] != known[:2]:
                if known is not None:
                    yield known, events
                known, events = cells[: len(FACTS)], []
            _, kind, at_ns, clicked, source = cells[len(FACTS) :]
            events.append(FeedbackEvent(kind=kind, at_ns=at_ns, clicked=clicked, source=source))
    if known is not None:
        yield known, events


def _folded(row: tuple[Any, ...], events: Sequence[FeedbackEvent], maturity_ns: int, classes: Counter[str]) -> tuple[Any, ...]:
    facts, judged = judge_all(facts_of(row), events, row[3] + maturity_ns)
    for one in judged:
        classes[one.of_class] += 1
        classes[LATE] += one.is_late
    return (*row[:5], *cells_of(facts), row[-1])


def facts_of(row: Sequence[Any]) -> RowFacts:
    """Of the cells of a row of `facts`."""
    is_shown, shown_ns, clicked, said_ns, source, late_clicked, late_ns, late_source, final_ns = row[5:]
    return RowFacts(
        is_shown=bool(is_shown),
        shown_ns=shown_ns,
        said=None if clicked is None else Statement(clicked=clicked, at_ns=said_ns, source=source),
        late=None if late_clicked is None else Statement(clicked=late_clicked, at_ns=late_ns, source=late_source),
        is_final=final_ns is not None,
    )


def cells_of(facts: RowFacts) -> tuple[Any, ...]:
    """What `facts_of` reads, without the time at which the row became final."""
    said, late = facts.said, facts.late
    return (
        facts.is_shown,
        facts.shown_ns,
        *((None, None, None) if said is None else (said.clicked, said.at_ns, said.source)),
        *((None, None, None) if late is None else (late.clicked, late.at_ns, late.source)),
    )


def _table(rows: list[tuple[Any, ...]]) -> pa.Table:
    arrays = [pa.array(cells, kind) for cells, kind in zip(zip(*rows, strict=True), TYPES, strict=True)]
    return pa.Table.from_arrays(arrays, schema=SCHEMA)
