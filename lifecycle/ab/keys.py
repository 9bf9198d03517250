"""What became of the page views of an A/B test: sums of each routing key and day, of the journal and its final labels.

A page view is a request; one that was sent again (the same request id and event time) is the same page view. It counts whether
something of it was shown or not: whether to show anything may be what the releases differ in.
"""

from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import polars as pl

from contracts.dataset.declaration import Declaration
from lifecycle.ab.begun import AbTest
from lifecycle.feedback.answered import until_ns
from lifecycle.feedback.labels import read_labels
from lifecycle.monitor.quality.labelled import KEYS, labelled_days, served_files, served_name, start_ns
from lifecycle.rollout.pairs import ROLE_CHALLENGER, ROLE_CHAMPION, key_hash

DAY_NS = 86_400 * 10**9
ROLES = {"champion": ROLE_CHAMPION, "challenger": ROLE_CHALLENGER}
AT, ROUTED = pl.Datetime("ns", "UTC"), {"route": pl.UInt64, "arm": pl.String, "fallback": pl.Boolean, "routing_key": pl.String}
KEY_SCHEMA = pl.Schema(
    {
        "day": pl.Date,
        "key": pl.UInt64,  # hash, with the test's salt
        "arm": pl.Int8,
        "views": pl.UInt32,
        "fell_back": pl.UInt32,  # views that the champion answered instead of the challenger
        "clicks": pl.Float64,
        "worth": pl.Float64,  # of the clicked rows; clicks, if nothing says what they are worth
    }
)


@dataclass(frozen=True, kw_only=True)
class AbSources:
    journal: Path
    feedback: Path
    entity: str | None  # column of the journal that says whose rows they are; None: the declaration has none that requests carry
    value: str | None  # column of what a clicked row is worth; None: each click counts as one


@dataclass(frozen=True, kw_only=True)
class AbRows:
    """All whole days of a test whose labels are final."""

    by_key: pl.DataFrame  # KEY_SCHEMA, by day
    entities: int  # users, as the declaration's entity says; 0: no row says whose it is
    in_both: int  # of them, those whom both arms answered
    outside: int  # page views in this time that were in no experiment
    unkeyed: int  # page views of the test of which the journal does not say whose they are

    @property
    def days(self) -> list[date]:
        return self.by_key["day"].unique().sort().to_list()


def sources_of(declaration: Declaration, journal: Path, feedback: Path, value: str | None) -> AbSources:
    """Raises ValueError if `value` is no declared number that requests carry."""
    column, entity = declaration.column(value), declaration.entity
    if value is not None and (column is None or column.role != "numeric"):
        numbers = ", ".join(one.name for one in declaration.columns if one.role == "numeric") or "none"
        found = "is not declared" if column is None else f"has role {column.role}"
        raise ValueError(
            f"ab.value: expected a column with role numeric, which requests carry ({numbers}); '{value}' {found}; "
            "what is known only after the click is not in the journal (docs/change/ab.md)"
        )
    return AbSources(
        journal=journal,
        feedback=feedback,
        entity=None if entity is None or not entity.feature else served_name(entity),
        value=None if column is None else served_name(column),
    )


def gathered_keys(test: AbTest, sources: AbSources, now_ns: int) -> AbRows:
    """Of all days that are whole in the journal and have final labels."""
    sums, seen, outside, unkeyed = [pl.DataFrame(schema=KEY_SCHEMA)], [], 0, 0
    whole_ns = until_ns(sources.journal, now_ns)
    for day in labelled_days(sources.feedback):
        is_over = test.until_ns is not None and start_ns(day) > test.until_ns
        if start_ns(day) + DAY_NS <= test.from_ns or start_ns(day) + DAY_NS > whole_ns or is_over:
            continue
        rows, others = _rows_of(test, sources, day)
        outside += others
        views = _views(rows)
        unkeyed += views["key"].null_count()
        views = views.filter(pl.col("key").is_not_null())
        seen.append(views.select("entity", "arm").drop_nulls().unique())
        sums.append(_by_key(views, test.salt, day))
    entities, in_both = _in_both(seen)
    return AbRows(by_key=pl.concat(sums), entities=entities, in_both=in_both, outside=outside, unkeyed=unkeyed)


def _rows_of(test: AbTest, sources: AbSources, day: date) -> tuple[pl.DataFrame, int]:
    """Rows of the test with what is known of their click, and the number of page views of that time outside of it."""
    rows = pl.concat([_file(path, sources) for path in served_files(sources.journal, day)] or [_nothing()]).collect()
    end_ns = test.until_ns if test.until_ns is not None else start_ns(day) + DAY_NS
    rows = rows.filter(pl.col("answered_at").dt.epoch("ns").is_between(test.from_ns, end_ns))
    is_ours = pl.col("route").is_in(list(test.digests)).fill_null(False) & pl.col("arm").is_in(list(ROLES)).fill_null(False)
    ours, others = rows.filter(is_ours), rows.filter(~is_ours)
    labels = read_labels(sources.feedback, start_ns(day), start_ns(day + timedelta(days=1))).select(*KEYS, "clicked").collect()
    return ours.join(labels, on=KEYS, how="left"), others["prediction_id"].n_unique()


def _file(path: Path, sources: AbSources) -> pl.LazyFrame:
    """The columns that are needed; null where a file lacks one. Without a declared worth each row is worth one."""
    there = pl.read_parquet_schema(path)
    found = {name: (name, kind) for name, kind in _nothing().collect_schema().items()}
    found |= {"entity": (sources.entity or "", pl.String()), "value": (sources.value or "", pl.Float64())}
    none = {"value": pl.lit(1.0)} if sources.value is None else {}
    return pl.scan_parquet(path, hive_partitioning=False).select(
        (pl.col(column) if column in there else none.get(name, pl.lit(None))).cast(kind, strict=False).alias(name)
        for name, (column, kind) in found.items()
    )


def _nothing() -> pl.LazyFrame:
    own: dict[str, Any] = {"prediction_id": pl.String, "row": pl.UInt32, "answered_at": AT}
    own |= {"event_at": AT, "request_id": pl.String}
    return pl.LazyFrame(schema={**own, **ROUTED, "entity": pl.String, "value": pl.Float64})


def _views(rows: pl.DataFrame) -> pl.DataFrame:
    """A row for each page view: when, arm, whose, its clicks and what they are worth. Whose: the key that was sent, else the
    entity of the first row, as the server has it.
    """
    again = pl.concat_str("request_id", pl.lit("/"), pl.col("event_at").dt.epoch("ns").cast(pl.String))
    clicked = pl.col("clicked").fill_null(0).cast(pl.Float64)
    first = pl.col("entity").sort_by("row").first()
    return (
        rows.with_columns(pl.coalesce(again, "prediction_id").alias("view"))
        .group_by("prediction_id", "view", maintain_order=True)
        .agg(
            pl.col("answered_at").first().alias("at"),
            pl.col("arm").first().replace_strict(ROLES, return_dtype=pl.Int8),
            pl.coalesce(pl.col("routing_key").first(), first).alias("key"),
            first.alias("entity"),
            pl.col("fallback").first().fill_null(False).alias("fell_back"),
            clicked.sum().alias("clicks"),
            (clicked * pl.col("value").fill_null(0.0).fill_nan(0.0)).sum().alias("value"),
        )
        .group_by("view", "key", "arm", maintain_order=True)
        .agg(pl.col("at", "entity").first(), pl.col("fell_back").any(), pl.col("clicks", "value").sum())
    )


def _by_key(views: pl.DataFrame, salt: str, day: date) -> pl.DataFrame:
    texts = views["key"].unique()
    known = pl.DataFrame({"key": texts, "hash": pl.Series([key_hash(salt, text) for text in texts], dtype=pl.UInt64)})
    return (
        views.join(known, on="key", how="left", maintain_order="left")
        .group_by("hash", "arm", maintain_order=True)
        .agg(
            pl.len().alias("views"),
            pl.col("fell_back").sum(),
            pl.col("clicks").sum(),
            pl.col("value").sum().alias("worth"),
        )
        .select(pl.lit(day).alias("day"), pl.col("hash").alias("key"), *list(KEY_SCHEMA)[2:])
        .cast(pl.Schema(KEY_SCHEMA))
    )


def _in_both(seen: list[pl.DataFrame]) -> tuple[int, int]:
    """Entities, and those of them that have rows of both arms."""
    if not seen:
        return 0, 0
    arms = pl.concat(seen).unique().group_by("entity").agg(pl.len().alias("arms"))
    return arms.height, int((arms["arms"] > 1).sum())
