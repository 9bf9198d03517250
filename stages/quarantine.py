"""Judges how many rows of a partition broke the contract, and shows what broke it most."""

from pathlib import Path
from typing import Any

import polars as pl

from contracts.tables import number_cells

QUARANTINE_DIR = Path("data/quarantine")
EXAMPLE_CHARS = 60  # of an offending value that a message shows
ADVICE = {  # beginning of the rule broken most -> what to look at
    "encoding": "a file in another encoding? set source.format.encoding",
    "dtype": "written in another way? see format (of times), source.format.decimal and thousands, suffix, and missing",
    **number_cells.ADVICE,
    "finite": "infinite, NaN, or more than float32 holds, 3.4e38; list what stands for a missing value in missing",
    "label": "write the words that mean 0 and 1 in labels, or the least number that means 1 in at_least",
    "list": "impressions are written as unfold says: what was shown, before_label, the label; do ids hold that mark?",
    "counts": "more clicks than impressions; is each of the two roles with the right column?",
    "json": "is every line one JSON object, in which no name comes twice?",
    "columns": "is source.format right?",
}


def check_share(name: str, report: dict[str, Any], max_share: float) -> None:
    """Raise ValueError if more of the partition's rows are quarantined than allowed, or if none is clean."""
    raw, bad = report["raw"], report["quarantined"]
    share = bad / raw
    if share <= max_share and report["clean"]:
        return
    rule, count = max(report["rules"].items(), key=lambda item: (item[1], item[0]))
    advice = next((f"; {words}" for start, words in ADVICE.items() if rule.startswith(start)), "")
    path = QUARANTINE_DIR / f"{name}.csv"
    raise ValueError(
        f"partition {name}: {bad} of {raw} rows ({share:.2%}) broke the contract, allowed are {max_share:.2%} "
        f"(validate.max_share); the rule broken most is '{rule}' with {count} rows, the first has {offending(path, rule)}; "
        f"see {path}{advice}"
    )


def check_joins(reports: list[dict[str, Any]]) -> None:
    """Raise ValueError if a side table, or images, that rows need not match matched none in any partition."""
    for title, complaint in reports[0].get("unmatched", {}).items():
        if all(title in report.get("unmatched", {}) for report in reports):
            raise ValueError(complaint)


def offending(quarantine: Path, broken: str) -> str:
    """What the first quarantined row that broke this rule of this column ("min age") had there."""
    rule, _, column = broken.partition(" ")
    rows = pl.scan_csv(quarantine, infer_schema=False).filter(
        (pl.col("rule") == rule) & (pl.col("column").fill_null("") == column)
    )
    value = next(iter(rows.head(1).collect()["value"]), None)
    return "nothing" if value is None else f"'{value[:EXAMPLE_CHARS]}'"
