"""Writes the months' rows of data/raw as files of other kinds: `python -m bench.scoring.other_kinds`.

Cells stay texts. data/parquet/ has all months, data/lines/ the last one as JSON lines.
"""

from pathlib import Path

import polars as pl

from contracts.tables.parquet import ParquetRows

RAW, PARQUET, LINES = Path("data/raw"), Path("data/parquet"), Path("data/lines")


def main() -> None:
    paths = sorted(RAW.glob("*/impressions.csv"))
    for path in paths:
        target = PARQUET / path.parent.name / "impressions.parquet"
        target.parent.mkdir(parents=True)
        with ParquetRows(target) as writer:
            writer.write(rows_of(path))
    LINES.mkdir()
    rows_of(paths[-1]).write_ndjson(LINES / "impressions.jsonl")


def rows_of(path: Path) -> pl.DataFrame:
    return pl.read_csv(path, infer_schema=False, encoding="utf8-lossy", truncate_ragged_lines=True)


if __name__ == "__main__":
    main()
