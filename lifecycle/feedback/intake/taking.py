"""Events into the store: in one transaction, so that those of a batch or file are all there or none."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace

import polars as pl

from lifecycle.feedback.intake.events import EventBatch
from lifecycle.feedback.rules import DUPLICATE, REJECTED
from lifecycle.feedback.store import FIRST_RECEIVED, HEARTBEATS, LAST_EVENT, RECEIVED, WATERMARK, FeedbackStore

ENDPOINT, FILE = "endpoint", "file"  # sources
NO_KEYS = "the journal keeps no keys of callers (serving.journal.caller_key: drop); name prediction_id and row"


@dataclass(frozen=True, kw_only=True)
class TakenIn:
    """What became of a batch. What waits is looked for in the journal afterwards."""

    received: int
    waiting: int = 0
    rejected: int = 0
    duplicate: int = 0
    heartbeats: int = 0
    is_repeated: bool = False  # the batch was there before


def take_in(store: FeedbackStore, batch: EventBatch, source: str, now_ns: int) -> TakenIn:
    """Add events, whose keys are as the journal has them, inside a transaction of the caller's."""
    events = batch.events
    store.count(**{RECEIVED: batch.received, REJECTED: len(batch.rejected), HEARTBEATS: len(batch.heartbeats)})
    for (field, rule), number in Counter(batch.rejected.select("column", "rule").rows()).items():
        store.db.execute("INSERT INTO refused VALUES (?, ?, ?, ?)", [source, field, rule, number])
    if batch.received:
        store.mark(FIRST_RECEIVED, -now_ns)  # the first is the largest
    store.mark(WATERMARK, max(batch.heartbeats, default=None))
    store.mark(LAST_EVENT, events["at_ns"].max())  # type: ignore[arg-type]
    if len(events):
        store.db.register("coming", events.to_arrow())
        store.db.execute(
            "INSERT INTO waiting SELECT nextval('seqs'), ?, kind, prediction_id, row, "
            "CASE WHEN prediction_id IS NULL THEN key END, at_ns, clicked, ?, false FROM (SELECT * FROM coming ORDER BY place)",
            [now_ns, source],
        )
        store.db.unregister("coming")
    return TakenIn(
        received=batch.received, waiting=len(events), rejected=len(batch.rejected), heartbeats=len(batch.heartbeats)
    )  # fmt: skip


def take_in_once(store: FeedbackStore, batch: EventBatch, batch_id: str | None, digest: str, now_ns: int) -> TakenIn:
    """A batch of the endpoint's: one that comes again counts as duplicates. Raises ValueError if its id was another's."""
    with store.transaction() as db:
        known = None
        if batch_id is not None:
            known = store.value("SELECT digest FROM batches WHERE id = ?", [batch_id])
        if known is not None:
            if known != digest:
                raise ValueError(f"batch {batch_id} came before with other lines; expected an id of its own for each batch")
            store.count(**{RECEIVED: batch.received, DUPLICATE: batch.received})
            return TakenIn(received=batch.received, duplicate=batch.received, is_repeated=True)
        if batch_id is not None:
            db.execute("INSERT INTO batches VALUES (?, ?, ?, ?)", [batch_id, digest, batch.received, now_ns])
        return take_in(store, batch, ENDPOINT, now_ns)


def hidden(batch: EventBatch, hide: Callable[[str], str | None]) -> EventBatch:
    """With keys as the journal has them. Where it has none, events without a prediction id are rejected."""
    events = batch.events
    found = {key: hide(key) for key in events["key"].unique().drop_nulls().to_list()}
    if all(key == hidden for key, hidden in found.items()):
        return batch
    events = events.with_columns(pl.col("key").replace_strict(found, return_dtype=pl.String))
    lost = events.filter(pl.col("prediction_id").is_null() & pl.col("key").is_null())
    rejected = lost.select("place", column=pl.lit("key"), rule=pl.lit(NO_KEYS), value=pl.lit(None, pl.String))
    kept = events.filter(pl.col("prediction_id").is_not_null() | pl.col("key").is_not_null())
    return replace(batch, events=kept, rejected=pl.concat([batch.rejected, rejected]).sort("place"))
