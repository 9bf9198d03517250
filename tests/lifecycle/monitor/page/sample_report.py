"""A report as a real month gives it: 20 columns over 30 days, one of which has lost values, and all other areas."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from lifecycle.monitor.findings import (
    Area,
    AreaName,
    Finding,
    FindingTable,
    Looked,
    MonitorReport,
    Point,
    Serving,
    Trend,
    Verdict,
)

DAY = 86_400 * 1_000_000_000
START = 1_793_491_200_000_000_000  # 2026-11-01
DAYS = 30
COLUMNS = (
    *("user_id", "user_age", "user_country", "device", "os", "browser", "hour", "weekday", "site_id", "site_category"),
    *("ad_id", "advertiser_id", "ad_category", "ad_format", "days_since_launch", "price", "position", "page_depth", "referrer"),
    "language",
)
KINDS = (("missing", 0.02), ("unknown", 0.004), ("shares", 0.01))
BROKEN = {("user_age", "missing"): (24, "page"), ("site_id", "unknown"): (26, "warning"), ("os", "shares"): (20, "watch")}
UNIT = "share of rows"
NO_CHANCE: dict[str, Any] = {"chance": None, "level": None, "p_value": None, "interval": None}


def series_of(subject: str, kind: str, base: float, seed: int, unit: str = UNIT, days: int = DAYS) -> Trend:
    """A figure around `base`, which leaves its band where `BROKEN` says so."""
    rng = np.random.default_rng(seed)
    begins, verdict = BROKEN.get((subject, kind), (days, "ok"))
    points = []
    for day in range(days):
        value = base * float(np.exp(rng.normal(0, 0.08))) * (3.5 if day >= begins else 1.0)
        points.append(
            Point(
                at_ns=START + day * DAY,
                value=None if (subject, day) == ("device", 12) else value,
                low=value * 0.88,
                high=value * 1.13,
                expected_low=base * 0.75,
                expected_high=base * 1.3,
                verdict=verdict if day >= begins else "ok",  # type: ignore[arg-type]
            )
        )
    return Trend(subject=subject, kind=kind, unit=unit, points=points)


def finding(subject: str, kind: str, verdict: Verdict = "ok", area: AreaName = "inputs", **others: Any) -> Finding:
    values: dict[str, Any] = {
        "effect": 0.012,
        "unit": UNIT,
        "chance": 0.021,
        "level": 0.00002,
        "p_value": 0.31,
        "window": Looked(start_ns=START + 29 * DAY, end_ns=START + 30 * DAY, rows=21_430, entities=5_120.4),
        "sentence": f"{kind} of {subject} is 1.2 %, expected 1.0 to 2.6 %.",
        "next_step": "",
        "interval": (0.0101, 0.0142),
        "release": 7,
    }
    return Finding(area=area, subject=subject, kind=kind, verdict=verdict, **values | others)


def inputs() -> Area:
    found = [finding(column, kind) for column in COLUMNS for kind, _ in KINDS if (column, kind) not in BROKEN]
    found += [
        finding(
            *("user_age", "missing", "page"),
            effect=0.0502,
            p_value=3.2e-41,
            interval=(0.0466, 0.0539),
            sentence="5.0 % of rows have lost user_age since 2026-11-25 03:00; before it was 2.0 %, and by chance at most 2.6 %.",
            next_step="Ask whoever sends site_id = s117 what changed on 2026-11-25: 97 % of the rows without it are theirs.",
            evidence={
                "rows": 21430,
                "missing": 1503,
                "reference": {"share": 0.0201, "rows": 600000},
                "cells": [["s117", 0.97], ["s3", 0.01]],
            },
        ),
        finding(
            *("site_id", "unknown", "warning"),
            effect=0.014,
            p_value=1.1e-9,
            sentence="1.4 % of rows name a site that is not known, 'S117' 240 times among them; expected at most 0.6 %.",
            next_step="Look whether a client has begun to write sites in capitals.",
            evidence={"values": {"S117": 240, "S3": 31}},
        ),
        finding(
            "os",
            "shares",
            "watch",
            effect=0.006,
            p_value=4e-7,
            sentence="android is 0.6 points more frequent.",
            next_step="Nothing; see whether it grows.",
        ),
    ]
    series = [
        series_of(column, kind, base, 31 * place + number)
        for place, column in enumerate(COLUMNS)
        for number, (kind, base) in enumerate(KINDS)
    ]
    return Area(
        name="inputs",
        findings=found,
        series=series,
        notes=["creative embeddings: release 7 has no profile of images (release 8 will)."],
    )


def quality() -> Area:
    bins = [(0.004 * 1.6**place, 0.004 * 1.6**place * (1.18 if place > 4 else 1.01)) for place in range(8)]
    calibration = FindingTable(
        title="Calibration, 40,112 final rows",
        columns=["rows", "predicted", "observed", "low", "high"],
        rows=[[5014, predicted, observed, observed * 0.85, observed * 1.16] for predicted, observed in bins],
    )
    slices = FindingTable(
        title="By slice",
        columns=["slice", "rows", "log-loss", "observed by predicted", "interval"],
        rows=[
            [f"device = {name}", 9000 + 100 * place, 0.1622 + place / 400, 1.02 + place / 50, "0.94 to 1.12"]
            for place, name in enumerate(("tv", "phone", "tablet", "desktop"))
        ],
    )
    series = [
        series_of("all rows", "log-loss", 0.162, 901, "nats a row"),
        series_of("all rows", "observed by predicted", 1.02, 902, ""),
        series_of("all rows", "AUC", 0.74, 903, ""),
        series_of("device = tv", "observed by predicted", 1.08, 904, ""),
    ]
    found = [
        finding("all rows", "log_loss", area="quality", effect=0.0021, unit="nats a row", chance=0.0043),
        finding(
            "device=tv",
            "calibration",
            "warning",
            "quality",
            effect=1.19,
            unit="observed by predicted",
            chance=1.11,
            interval=(1.12, 1.27),
            sentence="1.19 times as many clicks as predicted on device = tv; by chance at most 1.11.",
            next_step="Compare the slice with the champion's evaluation; retrain if it lasts.",
        ),
    ]
    return Area(
        name="quality",
        findings=found,
        series=series,
        tables=[calibration, slices],
        notes=["AUC by creative: 61 creatives have both clicks and others, 100 are needed."],
    )


def others() -> list[Area]:
    rows = [
        ["hour", 20310, 1071, "+1 hour in all of them"],
        ["price", 21381, 0, ""],
        ["referrer", 21200, 181, "empty where site_id = s117"],
    ]
    examples = [[f"018f3a5c-7b1e-7d2a-9c44-{place:012x}", "hour", 13 + place, 14 + place] for place in range(5)]
    skew = Area(
        name="skew",
        findings=[
            finding(
                "hour",
                "offset",
                "warning",
                "skew",
                effect=0.05,
                **NO_CHANCE,
                sentence="5.0 % of rows have hour one later in the month's file than what was served.",
                next_step="The file has local time for these rows; have it write UTC.",
            )
        ],
        tables=[
            FindingTable(title="By column", columns=["column", "equal rows", "different rows", "what it looks like"], rows=rows),
            FindingTable(title="Rows that differ", columns=["prediction_id", "column", "served", "in the file"], rows=examples),
        ],
    )
    counts = [["received", 61210], ["matched", 58800], ["duplicate", 1204], ["waiting", 800], ["expired", 0], ["rejected", 406]]
    labels = Area(
        name="labels",
        findings=[
            finding(
                "feed",
                "late",
                area="labels",
                effect=7_300.0,
                unit="seconds",
                **NO_CHANCE,
            )
        ],
        tables=[FindingTable(title="Counts", columns=["what", "events"], rows=counts)],
    )
    machine = Area(
        name="machine",
        findings=[finding("disk", "free", area="machine", effect=0.41, unit="share", **NO_CHANCE)],
        series=[series_of("this machine", "busy cores", 1.2, 950, "cores"), series_of("this machine", "memory", 9.4, 951, "GiB")],
        tables=[FindingTable(title="Versions", columns=["release", "where"], rows=[[7, "champion"], [8, "challenger"]])],
        notes=["GPU: there is none on this machine."],
    )
    journal = Area(
        name="journal",
        findings=[finding("segments", "lost", area="journal", effect=0.0, unit="rows", **NO_CHANCE)],
    )
    return [skew, labels, machine, journal]


def sample_report(areas: Sequence[Area] | None = None) -> MonitorReport:
    serving = [
        Serving(release=8, arm="challenger", rows=31_004, first_ns=START + 22 * DAY, last_ns=START + 30 * DAY - 4_000_000_000),
        Serving(release=7, arm="champion", rows=611_907, first_ns=START, last_ns=START + 30 * DAY - 1_000_000_000),
    ]
    return MonitorReport(
        at_ns=START + 30 * DAY,
        dataset="simulated",
        serving=serving,
        areas=[inputs(), quality(), *others()] if areas is None else areas,
    )


def sample_alerts() -> list[dict[str, Any]]:
    """Lines of alerts.jsonl: one that ended, as two lines, and one that goes on."""
    ended = {
        "key": "labels/feed/late",
        "severity": "warning",
        "since_ns": START + 9 * DAY,
        "until_ns": None,
        "owner": "whoever runs the feed",
    }
    ended |= {"sentence": "No heartbeat for 26 h.", "next_step": "Ask for it.", "evidence": {"watermark": "2026-11-09 02:00"}}
    goes_on = {
        "key": "inputs/user_age/missing",
        "severity": "page",
        "since_ns": START + 24 * DAY,
        "until_ns": None,
        "owner": "the model's team",
    }
    goes_on |= {
        "sentence": "5.0 % of rows have lost user_age.",
        "next_step": "Ask the site.",
        "evidence": {"rows": 21430, "missing": 1503},
    }
    return [ended, goes_on, ended | {"until_ns": START + 10 * DAY}]
