"""Bulk scoring reads what a source may look like: the same probabilities from archives and JSON lines as from CSV."""

import sys
import zipfile
from pathlib import Path

import polars as pl

from stages import score


def scores_of(monkeypatch, source: Path, model: Path) -> pl.DataFrame:
    monkeypatch.setattr(sys, "argv", ["score", str(source), "out.parquet", "--model", str(model)])
    score.main()
    return pl.read_parquet("out.parquet")


def test_archives_and_json_lines_get_the_scores_of_csv(monkeypatch, exported, project):
    model, source = exported / "artifacts/export", exported / "data/raw/2024-02/2024-02/rows.csv"
    expected = scores_of(monkeypatch, source, model)
    Path("rows").mkdir()
    rows = source.read_text().splitlines(keepends=True)
    with zipfile.ZipFile("rows/rows.zip", "w") as archive:
        archive.writestr("a.csv", "".join(rows[:101]))
        archive.writestr("b.csv", "".join([rows[0], *rows[101:201]]))
    Path("rows/c.jsonl").write_text(pl.read_csv(source, infer_schema=False)[200:].write_ndjson() + "no\n")
    found = scores_of(monkeypatch, Path("rows"), model)
    assert found["file"].unique(maintain_order=True).to_list() == ["c.jsonl", "rows.zip/a.csv", "rows.zip/b.csv"]
    assert found.sort("id").select("id", "p_click").equals(expected.sort("id").select("id", "p_click"))
    rejected = pl.read_csv("out.parquet.quarantine.csv", infer_schema=False)
    assert rejected.select("file", "row", "rule").rows() == [("c.jsonl", "101", "json")]
