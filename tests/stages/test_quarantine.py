"""What a stage says when too many rows broke the contract: the rule, an example, and what to do about it."""

import re
from pathlib import Path

import polars as pl
import pytest

from contracts.tables.rejected import REJECTED
from stages.quarantine import QUARANTINE_DIR, check_share


@pytest.mark.parametrize(
    ("rule", "value", "words"),
    [
        ("int64", "17999999999999999000", "it does not fit int64; declare the column as string"),
        (
            "exact",
            "9007199254740992.0",
            "a float so large may have been another number before it was rounded; write whole numbers",
        ),
        ("finite", "1e39", "infinite, NaN, or more than float32 holds, 3.4e38; list what stands for a missing value in missing"),
        (
            "dtype",
            "12 EUR",
            "written in another way? see format (of times), source.format.decimal and thousands, suffix, and missing",
        ),
    ],
)
def test_the_advice_is_about_the_rule_that_broke_most(project, rule, value, words):
    path = Path(QUARANTINE_DIR / "2024-01.csv")
    path.parent.mkdir(parents=True)
    row = pl.DataFrame([(1, "user", rule, value, 1)], schema=REJECTED, orient="row")
    row.select(pl.lit("rows.csv").alias("file"), pl.all()).write_csv(path)
    report = {"raw": 10, "clean": 7, "quarantined": 3, "rules": {f"{rule} user": 2, "min age": 1}}
    said = f"'{rule} user' with 2 rows, the first has '{value}'; see {path}; {words}"
    with pytest.raises(ValueError, match=re.escape(said)):
        check_share("2024-01", report, 0.02)
    check_share("2024-01", report, 0.3)
