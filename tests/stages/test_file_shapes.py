"""What a source may look like, through the stages: from raw files to encoded arrays."""

import gzip
from pathlib import Path

import polars as pl

from stages.files import read_json
from tests.stages.pipeline_world import COLUMNS, declaration, rows_of, run, write_params

TO_ENCODE = ("acquire", "validate", "split", "fit", "encode")


def changed(**more: dict) -> list[dict]:
    """The columns of the small data set, some with further keys."""
    return [column | more.get(column["name"], {}) for column in COLUMNS]


def clean() -> pl.DataFrame:
    return pl.read_parquet("data/clean/*/impressions.parquet").sort("id")


def test_folders_of_spark_with_a_column_that_began_later(project):
    months = {month: rows_of(month, 300) for month in (1, 2)}
    for month, rows in months.items():
        for (site,), part in rows.group_by("site"):
            folder = Path(f"source/year=2024/month={month:02d}/site={str(site).replace(' ', '%20')}")
            folder.mkdir(parents=True)
            part.drop("site", *(["view"] if month == 1 else [])).write_parquet(folder / "part-0.parquet")
    source = {"kind": "files", "path": "source", "files": ["**/*.parquet"], "partition": r"year=(\d+)/month=(\d+)"}
    columns = changed(site={"folder": "site"}, view={"since": "2024-02"})
    write_params(declaration(source=source, columns=columns, images=None))
    run(*TO_ENCODE)
    found, expected = clean(), pl.concat(months.values()).sort("id")
    assert found["site"].to_list() == expected["site"].to_list()
    assert found["view"].to_list() == [None] * 300 + expected["view"].to_list()[300:]
    report = read_json(Path("reports/validation.json"))
    assert {name: month["clean"] for name, month in report["months"].items()} == {"2024-01": 300, "2024-02": 300}


def test_a_folder_that_is_renamed_is_validated_again(project):
    for name in ("site=a", "site=b"):
        folder = Path("source/2024-01") / name
        folder.mkdir(parents=True)
        is_first = pl.col("site").is_in(["site 0", "site 1"])
        rows = rows_of(1, 100).filter(is_first if name == "site=a" else ~is_first)
        rows.drop("site").write_csv(folder / "rows.csv")
    source = {"kind": "files", "path": "source", "files": ["**/*.csv"]}
    write_params(declaration(source=source, columns=changed(site={"folder": "site"}), images=None))
    run("acquire", "validate")
    assert set(clean()["site"]) == {"a", "b"}
    Path("source/2024-01/site=b").rename("source/2024-01/site=c")
    run("acquire", "validate")
    assert set(clean()["site"]) == {"a", "c"}


def test_json_lines_are_quarantined_by_file_and_line(project):
    for month in (1, 2):
        lines = rows_of(month, 200).write_ndjson().splitlines()
        Path(f"source/2024-{month:02d}").mkdir(parents=True)
        content = "\n".join([*lines[:100], '{"id": 1, broken', *lines[100:]])
        Path(f"source/2024-{month:02d}/rows.jsonl.gz").write_bytes(gzip.compress(content.encode()))
    source = {"kind": "files", "path": "source", "files": ["*/rows.jsonl.gz"]}
    write_params(declaration(source=source, images=None))
    run(*TO_ENCODE)
    expected = pl.concat([rows_of(month, 200) for month in (1, 2)])
    assert clean().drop("t").equals(expected.drop("t").cast({"age": pl.Float64, "y": pl.Int8}))
    quarantine = pl.read_csv("data/quarantine/2024-01.csv", infer_schema=False)
    assert quarantine.rows() == [("2024-01/rows.jsonl.gz", "101", "", "json", '{"id": 1, broken', "1")]
