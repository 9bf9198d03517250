"""A month of the simulated exchange as the journal, the final labels and the month's file have it, in folders of a test."""

from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import yaml
from pydantic import TypeAdapter

from bench.monitor.months import exchange, simulated_month
from contracts.dataset.declaration import Declaration
from contracts.lifecycle.monitor import MonitorConfig
from contracts.params import PARAMS_PATH, read_section
from lifecycle.monitor.findings import Context
from lifecycle.monitor.quality.judge import QualityCase
from lifecycle.monitor.quality.looks import ErrorShare
from lifecycle.monitor.quality.promise import own_word
from lifecycle.monitor.quality.rows import QualityRows
from stages.simulate.config import ExchangeConfig

MONTH = "2026-09"
HOUR_NS = 3_600_000_000_000


def monitor_config() -> MonitorConfig:
    return read_section("monitor", MonitorConfig)


def declaration() -> Declaration:
    values = yaml.safe_load(Path("conf/data/simulated.yaml").read_text(encoding="utf-8"))
    return TypeAdapter(Declaration).validate_python(values)


@lru_cache(maxsize=4)
def month(rows: int = 30_000, seed: int = 11, luck: int = 0) -> pl.DataFrame:
    base = ExchangeConfig(**yaml.safe_load(PARAMS_PATH.read_text(encoding="utf-8"))["exchange"])
    return simulated_month(exchange(base, seed), MONTH, rows, luck)


def context(folder: Path, **changes: Any) -> Context:
    values = {
        "declaration": declaration(),
        "config": monitor_config(),
        "journal": folder / "journal",
        "feedback": folder / "feedback",
        "store": folder / "models",
        "state": folder / "monitor",
        "now_ns": int(month()["answered_at"].dt.epoch("ns").max()) + 48 * HOUR_NS,  # type: ignore[operator]
    }
    return Context(**values | changes)  # type: ignore[arg-type]


def ids_of(rows: pl.DataFrame) -> pl.DataFrame:
    """Creatives with their ids in a vocabulary that knows those of earlier months, the most frequent first."""
    known = rows.filter(~pl.col("creative_id").str.starts_with("cr2609"))["creative_id"].value_counts(sort=True)
    return known.with_row_index("creative_id__id", offset=2).select("creative_id", pl.col("creative_id__id").cast(pl.UInt32))


def write_served(rows: pl.DataFrame, journal: Path, name: str = "a") -> None:
    """As `lifecycle.journal` makes Parquet of answers: a file an hour."""
    typed = rows.with_columns(pl.col("position").cast(pl.Int64), request_id=pl.lit(None, pl.String), arm=pl.lit(None, pl.String))
    if "key" not in rows.columns:
        typed = typed.with_columns(key=pl.col("impression_id").cast(pl.String))
    if "creative_id__id" not in rows.columns:
        typed = typed.join(ids_of(rows), on="creative_id", how="left", maintain_order="left")
    typed = typed.with_columns(pl.col("creative_id__id").fill_null(0).cast(pl.UInt32))
    typed = typed.drop("impression_id", "clicked", "p_true", strict=False)
    at = pl.col("answered_at")
    for (day, hour), part in typed.group_by(at.dt.date().alias("d"), at.dt.hour().alias("h")):
        folder = journal / "served" / f"answered_day={day}" / f"answered_hour={hour:02d}"
        folder.mkdir(parents=True, exist_ok=True)
        part.write_parquet(folder / f"{name}.parquet")


def write_labels(rows: pl.DataFrame, feedback: Path) -> None:
    """As the feedback has final labels: a folder a day."""
    named = rows.select(
        "prediction_id",
        "row",
        pl.col("impression_id").cast(pl.String).alias("key"),
        "answered_at",
        "release",
        pl.col("answered_at").alias("shown_at"),
        "clicked",
        (pl.col("answered_at") + pl.duration(hours=24)).alias("final_at"),
        pl.lit("file").alias("source"),
    )
    for (day,), part in named.group_by(pl.col("answered_at").dt.date().alias("d")):
        folder = feedback / "labels" / f"answered_day={day}"
        folder.mkdir(parents=True, exist_ok=True)
        part.sort("prediction_id", "row").write_parquet(folder / "part-0.parquet")


def write_month_file(rows: pl.DataFrame, path: Path) -> Path:
    """As the exchange delivers it."""
    columns = [c.name for c in declaration().columns if c.name != "timestamp"]
    stamp = pl.col("event_at").dt.strftime("%Y-%m-%dT%H:%M:%S").alias("timestamp")
    path.parent.mkdir(parents=True, exist_ok=True)
    rows.select(*columns[:1], stamp, *columns[1:]).write_csv(path)
    return path


def case_of(label_N: np.ndarray, slice_N: np.ndarray, units: dict[str, np.ndarray] | None = None) -> QualityCase:
    rows = QualityRows(
        label_N=label_N,
        p_N=np.full(len(label_N), label_N.mean()),
        units=units or {},
        stratum_N=np.full(len(label_N), "", dtype=object),
        slices={"site": (slice_N, [str(value) for value in np.unique(slice_N)])},
        start_ns=0,
        end_ns=1,
    )
    config = replace(monitor_config().quality, slice_clicks=10)
    spent = ErrorShare(warning=config.error / 31, page=config.page_error / 31)
    return QualityCase(rows=rows, promised=own_word(), config=config, error=spent, release=1, name="x")
