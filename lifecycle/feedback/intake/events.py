"""Events as a table, whoever sent them, and which of them are none: each of these with the rule that it breaks."""

from dataclasses import dataclass

import polars as pl

from contracts.serving.journal import LONGEST_KEY
from lifecycle.feedback.rules import CLICK, HEARTBEAT, KINDS, LABEL, SHOWN

EVENTS = {
    "place": pl.Int64,  # line or row where it stood, from 1 on
    "kind": pl.String,
    "prediction_id": pl.String,
    "row": pl.Int64,
    "key": pl.String,
    "at_ns": pl.Int64,
    "clicked": pl.Int64,
}
REFUSED = {"place": pl.Int64, "column": pl.String, "rule": pl.String, "value": pl.String}
LONGEST_ID, LAST_ROW = 64, 2**32 - 1
EARLIEST_NS = 946_684_800 * 10**9  # the year 2000: what is before is a time in another unit
AHEAD_NS = 300 * 10**9  # by which a sender's clock may be ahead
VALUE_CHARS = 200


@dataclass(frozen=True, kw_only=True)
class EventBatch:
    """Some events of one source. `heartbeats` are times until which the sender says that the feed is complete."""

    events: pl.DataFrame  # EVENTS, without heartbeats
    rejected: pl.DataFrame  # REFUSED
    heartbeats: tuple[int, ...] = ()

    @property
    def received(self) -> int:
        return len(self.events) + len(self.rejected)


def batch_of(events: pl.DataFrame, now_ns: int, refused: pl.DataFrame | None = None) -> EventBatch:
    """Take events of schema EVENTS apart. `refused`: such as could not even be read."""
    broken = events.select("place", rule=_first_broken(now_ns))
    bad = events.join(broken.filter(pl.col("rule").is_not_null()), on="place", how="inner")
    good = events.join(broken.filter(pl.col("rule").is_null()), on="place", how="semi")
    rejected = bad.select("place", *_where_and_what())
    beats = good.filter(pl.col("kind") == HEARTBEAT)["at_ns"].to_list()
    return EventBatch(
        events=good.filter(pl.col("kind") != HEARTBEAT).with_columns(
            clicked=pl.when(pl.col("kind") == CLICK).then(1).otherwise(pl.col("clicked"))
        ),
        rejected=pl.concat([pl.DataFrame(schema=REFUSED) if refused is None else refused, rejected]).sort("place"),
        heartbeats=tuple(beats),
    )


def _rules(now_ns: int) -> list[tuple[str, str, pl.Expr]]:
    """Column, what is wrong, and where it is. The first one counts."""
    kind, clicked, at = pl.col("kind"), pl.col("clicked"), pl.col("at_ns")
    is_beat = kind == HEARTBEAT
    no_target = pl.col("prediction_id").is_null() & pl.col("key").is_null()
    return [
        ("kind", f"expected {', '.join(KINDS)}", kind.is_null() | ~kind.is_in(list(KINDS))),
        ("at_ns", "a heartbeat says until when the feed is complete: at_ms is missing", is_beat & at.is_null()),
        ("at_ns", "the time is before the year 2000; it is in milliseconds since 1970", at < EARLIEST_NS),
        ("at_ns", "the time is in the future", at > now_ns + pl.when(is_beat).then(0).otherwise(AHEAD_NS)),
        ("prediction_id", "names no row: prediction_id and key are missing", ~is_beat & no_target),
        ("prediction_id", f"is empty or longer than {LONGEST_ID} characters", ~_length(pl.col("prediction_id"), LONGEST_ID)),
        ("key", f"is empty or longer than {LONGEST_KEY} bytes", ~_length(pl.col("key"), LONGEST_KEY)),
        ("row", f"expected 0 to {LAST_ROW}", ~pl.col("row").is_between(0, LAST_ROW)),
        ("clicked", "a label is 0 or 1", (kind == LABEL) & (clicked.is_null() | ~clicked.is_in([0, 1]))),
        ("clicked", "a click is 1; who takes one back sends a label of 0", (kind == CLICK) & (clicked != 1)),
        ("clicked", "a shown event says nothing of a click; send a label", (kind == SHOWN) & clicked.is_not_null()),
    ]


def _length(column: pl.Expr, most: int) -> pl.Expr:
    return column.is_null() | column.str.len_bytes().is_between(1, most)


def _first_broken(now_ns: int) -> pl.Expr:
    found = [pl.when(wrong.fill_null(False)).then(pl.lit(f"{column}\t{rule}")) for column, rule, wrong in _rules(now_ns)]
    return pl.coalesce([case.otherwise(None) for case in found])


def _where_and_what() -> list[pl.Expr]:
    column = pl.col("rule").str.split("\t").list.get(0)
    cells = [pl.when(column == name).then(pl.col(name).cast(pl.String)) for name in EVENTS if name != "place"]
    return [
        column.replace("at_ns", "at").alias("column"),
        pl.col("rule").str.split("\t").list.get(1),
        pl.coalesce([cell.otherwise(None) for cell in cells]).str.slice(0, VALUE_CHARS).alias("value"),
    ]
