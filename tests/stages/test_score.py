"""Bulk scoring: the same probability to the last bit however a row arrives, and nothing half done."""

import gzip
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from stages import score
from stages.scoring import scorer
from stages.scoring.scorer import Scorer, score_split
from tests.stages.pipeline_world import CONF, rows_of, write_png

ROOT = CONF.parent


@pytest.fixture
def model(exported, project) -> Path:
    """The exported model's folder; the working directory is the test's own."""
    return exported / "artifacts/export"


def run_score(monkeypatch, source: Path, output: Path, model: Path) -> pl.DataFrame:
    monkeypatch.setattr(sys, "argv", ["score", str(source), str(output), "--model", str(model)])
    score.main()
    return pl.read_csv(output) if output.suffix == ".csv" else pl.read_parquet(output)


def p_by_id(scored: pl.DataFrame) -> dict[int, float]:
    return dict(scored.select("id", pl.col("p_click").cast(pl.Float32)).iter_rows())


@pytest.fixture
def expected(exported) -> dict[int, float]:
    """What evaluation says about the test month, by id."""
    p = score_split(exported / "artifacts/export", exported / "data/split/test.parquet")
    ids = pl.read_parquet(exported / "data/split/test.parquet")["id"]
    assert p.std() > 0.05 and p.dtype == np.float32
    return dict(zip(ids.to_list(), p.tolist(), strict=True))


def test_bulk_scores_are_those_of_evaluation_to_the_last_bit(monkeypatch, project, exported, model, expected):
    source = exported / "data/raw/2024-02/2024-02/rows.csv"
    scored = run_score(monkeypatch, source, project / "out.parquet", model)
    assert scored.columns == ["file", "row", "id", "p_click", "model_version"]
    assert scored["model_version"].to_list() == [None] * 300  # no release of it is in models/
    assert scored["row"].to_list() == list(range(1, 301))
    assert p_by_id(scored) == expected


def test_scores_carry_the_number_that_the_export_has_among_the_releases(monkeypatch, project, exported, model):
    for number, change in ((3, "a"), (4, ""), (7, "b")):
        for path in (exported / "artifacts/repository/embedded").glob("*/1/package.json"):
            manifest = project / "models" / path.parts[-3].removesuffix("_1") / str(number) / path.name
            if path.parts[-3].endswith("_1"):
                manifest = project / "models" / f"{path.parts[-3].removesuffix('_1')}_{number}" / str(number) / path.name
            manifest.parent.mkdir(parents=True)
            manifest.write_text(path.read_text() + change)
    scored = run_score(monkeypatch, exported / "data/raw/2024-02/2024-02/rows.csv", project / "out.csv", model)
    assert scored["model_version"].to_list() == [4] * 300


def test_a_probability_does_not_depend_on_place_chunk_or_file_kind(monkeypatch, project, exported, model, expected):
    rows = rows_of(2, 300)
    pieces = project / "pieces"
    pieces.mkdir()
    rows.reverse()[:100].write_csv(pieces / "a.csv")
    rows[:151].write_parquet(pieces / "b.parquet")
    (pieces / "c.csv.gz").write_bytes(gzip.compress(rows[151:200].write_csv().encode()))
    monkeypatch.setattr(scorer, "BATCH_ROWS", 13)
    monkeypatch.setattr("contracts.tables.text.delimited.BLOCK_BYTES", 1 << 10)
    monkeypatch.setattr("contracts.tables.reading.PARQUET_ROWS", 37)
    scored = run_score(monkeypatch, pieces, project / "out.csv", model)
    assert sorted(set(scored["file"])) == ["a.csv", "b.parquet", "c.csv.gz"]
    assert p_by_id(scored) == expected
    again = score_split(model, exported / "data/split/test.parquet")
    assert again.tolist() == list(expected.values())


def test_rows_need_no_label(monkeypatch, project, model, expected):
    rows_of(2, 300).drop("y").write_csv(project / "in.csv")
    assert p_by_id(run_score(monkeypatch, project / "in.csv", project / "out.parquet", model)) == expected


def test_broken_rows_go_to_quarantine_and_the_counts_add_up(monkeypatch, project, model, expected, capsys):
    lines = rows_of(2, 300).write_csv().splitlines()
    lines[5] = lines[5].replace("site ", "site \xff")
    lines[8] = "too,few"
    lines[9] = lines[10]
    (project / "in.csv").write_bytes("\n".join(lines).encode("latin-1"))
    scored = run_score(monkeypatch, project / "in.csv", project / "out.parquet", model)
    rejected = pl.read_csv(project / "out.parquet.quarantine.csv", infer_schema=False)
    assert rejected.select("row", "column", "rule").rows() == [
        ("5", "site", "encoding"),
        ("8", "", "columns"),
        ("10", "id", "unique"),
    ]
    assert len(scored) == 297
    assert p_by_id(scored).items() <= expected.items()
    out = capsys.readouterr().out
    assert out.startswith("score: 300 rows of 1 files = 297 scored to ") and "+ 3 in " in out


def test_an_unseen_creative_is_looked_at_and_known_ones_stay_as_they_are(monkeypatch, project, model, expected):
    rows = rows_of(2, 300).with_columns(pl.col("ad").replace({"ad1": "fresh1", "ad2": "fresh2"}))
    month = project / "month"
    (month / "x/ads").mkdir(parents=True)
    rows.write_csv(month / "rows.csv")
    blind = p_by_id(run_score(monkeypatch, month, project / "blind.parquet", model))
    write_png(month / "x/ads/fresh1.png", (250, 10, 10))
    looked = p_by_id(run_score(monkeypatch, month, project / "looked.parquet", model))
    changed = {i for i in blind if blind[i] != looked[i]}
    assert changed == set(rows.filter(pl.col("ad") == "fresh1")["id"])
    known = set(rows.filter(~pl.col("ad").str.starts_with("fresh"))["id"])
    assert {i: looked[i] for i in known} == {i: expected[i] for i in known}
    # One file of the folder, or small chunks, or another fresh creative beside it: the same bits.
    assert p_by_id(run_score(monkeypatch, month / "rows.csv", project / "one.parquet", model)) == looked
    monkeypatch.setattr("contracts.tables.text.delimited.BLOCK_BYTES", 1 << 10)
    write_png(month / "x/ads/fresh2.png", (10, 250, 10))
    both = p_by_id(run_score(monkeypatch, month, project / "both.csv", model))
    fresh2 = set(rows.filter(pl.col("ad") == "fresh2")["id"])
    assert {i for i in looked if looked[i] != both[i]} == fresh2


def test_an_image_that_looks_the_same_as_a_known_one_gives_its_probability(monkeypatch, project, model, expected):
    rows = rows_of(2, 300)
    scorer = Scorer(model)
    clean = rows.with_columns(pl.lit("nobody").alias("ad"))
    write_png(project / "nobody.png", (40, 20, 170))  # as ad1
    images = pl.DataFrame({"creative_id": ["nobody"], "image": [(project / "nobody.png").read_bytes()]})
    shown = scorer.score(clean, images, "ad")
    again = scorer.score(clean[100:], images, "ad")
    assert shown[100:].tolist() == again.tolist()
    assert np.abs(shown - scorer.score(clean)).max() > 1e-3


@pytest.mark.parametrize(
    ("source", "output", "words"),
    [
        ("nowhere.csv", "out.csv", "nowhere.csv does not exist; give INPUT a file or a folder"),
        ("empty", "out.csv", "holds no file that matches"),
        ("in.csv", "out.json", "must end in .csv or .parquet"),
        ("in.csv", "in.csv", "is read and would be written too"),
        ("in.csv", "folder.csv", "is a folder; name a file in it"),
        ("in.csv", "in.csv/out.csv", "Not a directory|File exists"),
        ("other.csv", "out.csv", "lacks the declared column 'id'"),
    ],
)
def test_what_cannot_be_scored_is_one_sentence_and_leaves_nothing(monkeypatch, project, model, source, output, words):
    rows_of(2, 20).write_csv(project / "in.csv")
    (project / "other.csv").write_text("a,b\n1,2\n")
    (project / "empty").mkdir()
    (project / "folder.csv").mkdir()
    before = sorted(project.rglob("*"))
    with pytest.raises((ValueError, OSError), match=words):
        run_score(monkeypatch, project / source, project / output, model)
    assert sorted(project.rglob("*")) == before


def test_a_folder_is_read_by_the_declared_files_and_the_broken_images_of_its_rows_are_named(monkeypatch, project, model, capsys):
    (project / "new/2024-02/ads").mkdir(parents=True)
    rows = rows_of(2, 300).with_columns(pl.col("ad").replace({"ad1": "fresh1"}))
    rows.write_csv(project / "rows.csv")
    blind = p_by_id(run_score(monkeypatch, project / "rows.csv", project / "blind.parquet", model))
    rows.write_csv(project / "new/2024-02/rows.csv")
    (project / "new/notes.csv").write_text("no,impressions\n")
    for name in ("fresh1", "shown_by_no_row"):
        (project / f"new/2024-02/ads/{name}.png").write_bytes(b"not found")
    scored = run_score(monkeypatch, project / "new", project / "out.parquet", model)
    assert p_by_id(scored) == blind
    assert "score: 1 images cannot be read and count as none, such as fresh1.png: no image of a kind" in capsys.readouterr().err


def test_rows_that_are_all_broken_end_in_an_error_and_their_reasons_stay(monkeypatch, project, model):
    rows_of(2, 20).with_columns(pl.lit("soon").alias("t")).write_csv(project / "in.csv")
    with pytest.raises(ValueError, match="none of the 20 rows keeps the contract of data set 'small'; .*quarantine.csv says why"):
        run_score(monkeypatch, project / "in.csv", project / "out.csv", model)
    assert not (project / "out.csv").exists()
    assert len(pl.read_csv(project / "out.csv.quarantine.csv")) == 20


@pytest.mark.parametrize("name", ["ranker.onnx", "features.json"])
def test_a_model_that_is_not_what_was_exported_does_not_score(monkeypatch, project, model, name):
    rows_of(2, 20).write_csv(project / "in.csv")
    shutil.copytree(model, project / "model")
    (project / "model" / name).write_bytes((model / name).read_bytes()[:-1])
    with pytest.raises(ValueError, match=f"{name} is not the file that was exported"):
        run_score(monkeypatch, project / "in.csv", project / "out.csv", project / "model")
    (project / "model" / name).unlink()
    with pytest.raises(ValueError, match=f"{name} is missing"):
        Scorer(project / "model")


def test_a_folder_without_a_model_says_which_stage_to_run(project):
    with pytest.raises(ValueError, match="manifest.json is missing: there is no exported model; run `make repro` first"):
        Scorer(project)


def test_an_output_that_cannot_be_written_is_one_sentence(project, model):
    rows_of(2, 20).write_csv(project / "in.csv")
    command = [sys.executable, "-m", "stages.score", str(project / "in.csv"), "/proc/adclick/out.csv"]
    done = subprocess.run([*command, "--model", str(model)], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("score: error: ")
    assert "Traceback" not in done.stderr


def test_a_name_that_the_terminal_cannot_show_is_no_failure(project, model):
    rows_of(2, 20).write_csv(project / "größe.csv")
    command = [sys.executable, "-m", "stages.score", "größe.csv", "out–1.csv", "--model", str(model)]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "ascii"}
    done = subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0
    assert done.stdout.startswith(
        "score: 20 rows of 1 files = 20 scored to out\\u20131.csv + 0 in out\\u20131.csv.quarantine.csv"
    )
    assert (project / "out–1.csv").is_file()


def test_a_killed_run_leaves_nothing_under_the_final_name(project, model):
    rows_of(2, 60_000).write_csv(project / "in.csv")
    command = [sys.executable, "-m", "stages.score", str(project / "in.csv"), str(project / "out.csv")]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    running = subprocess.Popen([*command, "--model", str(model)], cwd=project, env=environment, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 60
        while not list(project.glob(".out.csv.*.partial")) and time.monotonic() < deadline:
            time.sleep(0.01)
        assert running.poll() is None
        running.send_signal(signal.SIGKILL)
    finally:
        running.kill()
        running.wait()
    assert not (project / "out.csv").exists()
    assert not (project / "out.csv.quarantine.csv").exists()
