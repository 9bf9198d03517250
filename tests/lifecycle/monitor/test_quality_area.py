"""Quality from the journal's Parquet and final labels: what is found, what is not looked at yet, and what is kept."""

import json
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from contracts.lifecycle.monitor import QualityConfig
from lifecycle.monitor.findings import Area, Context
from lifecycle.monitor.quality import area as quality
from lifecycle.monitor.quality.judge import QualityCase
from lifecycle.monitor.quality.labelled import labelled_days, quality_columns, rows_of
from lifecycle.monitor.quality.looks import ErrorShare
from lifecycle.monitor.quality.promise import own_word
from lifecycle.monitor.quality.rows import quality_rows
from lifecycle.monitor.quality.sliced import judge_slices
from tests.lifecycle.monitor.played import case_of, context, declaration, monitor_config, month, write_labels, write_served

ROWS = 40_000


def some_days() -> pl.DataFrame:
    """The first six days of a month, and a piece of the seventh."""
    return month(rows=200_000).head(ROWS)


def relabelled(rows: pl.DataFrame, times: np.ndarray | float, seed: int = 1) -> pl.DataFrame:
    p = np.minimum(rows["p_true"].to_numpy() * times, 1.0)
    return rows.with_columns(clicked=pl.Series((np.random.default_rng(seed).random(len(rows)) < p).astype(np.int8)))


def written(folder: Path, rows: pl.DataFrame) -> Context:
    write_served(rows, folder / "journal")
    write_labels(rows, folder / "feedback")
    return context(folder)


def warned(area: Area) -> set[str]:
    return {one.key for one in area.findings if one.verdict in ("warning", "page")}


@pytest.fixture
def promise(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What is promised of every release; its values may be changed."""
    p = month(rows=200_000)["p_true"].to_numpy()
    loss = float(-(p * np.log(p) + (1 - p) * np.log1p(-p)).mean())
    values = {
        "rows": 200_000,
        "observed": float(p.mean()),
        "predicted": float(p.mean()),
        "log_loss": loss,
        "expected_log_loss": loss,
    }
    monkeypatch.setattr(quality, "read_promise", lambda store, release: values)
    return values


def test_nothing_is_found_where_predictions_are_right(tmp_path, promise):
    area = quality.look(written(tmp_path, some_days()))
    assert warned(area) == set()
    kinds = {one.kind for one in area.findings}
    assert {"calibration", "log_loss", "normalised_entropy", "slices", "baseline"} <= kinds
    found = next(one for one in area.findings if one.kind == "calibration")
    whole = some_days().filter(pl.col("answered_at").dt.day() <= 6)  # three looks of two days; the seventh has not ended
    assert found.window.rows == len(whole) and found.evidence["clicks"] == whole["clicked"].sum()
    assert found.evidence["predicted"] == pytest.approx(whole["probability"].cast(pl.Float64).sum(), rel=1e-9)
    assert found.interval[0] < found.effect < found.interval[1] and found.level < 0.0125
    assert {one.kind for one in area.series} >= {"calibration", "log_loss", "mean_prediction", "new_creatives"}
    assert [len(one.points) for one in area.series if one.kind == "calibration"] == [3]
    assert any("only rows that were shown" in note for note in area.notes)


def test_a_third_more_clicks_is_found_with_its_size(tmp_path, promise):
    area = quality.look(written(tmp_path, relabelled(some_days(), 1.33)))
    found = next(one for one in area.findings if one.kind == "calibration")
    assert found.verdict == "page" and found.effect == pytest.approx(0.33, abs=0.08)
    assert found.p_value < found.level and found.effect > found.chance
    assert not [one for one in area.findings if one.kind == "slices" and one.verdict != "ok"]  # all slices are off by as much


def test_a_slice_that_is_off_alone_is_named(tmp_path, promise):
    rows = some_days()
    area = quality.look(written(tmp_path, relabelled(rows, np.where(rows["device"] == "desktop", 1.9, 1.0))))
    off = {one.subject for one in area.findings if one.kind == "slices" and one.effect > 0.1 and one.verdict != "ok"}
    assert off == {"device=desktop"}


def test_the_promise_of_worse_calibration_is_no_change(tmp_path, promise):
    promise["observed"] *= 1.33
    area = quality.look(written(tmp_path, relabelled(some_days(), 1.33)))
    assert next(one for one in area.findings if one.kind == "calibration").verdict == "ok"


def test_worse_predictions_are_found_as_log_loss(tmp_path, promise):
    rows = some_days()
    p, noise = rows["p_true"].to_numpy(), np.random.default_rng(2).standard_normal(ROWS)
    odds = p / (1 - p) * np.exp(1.0 * noise)
    worse = odds / (1 + odds)
    worse *= p.mean() / worse.mean()
    area = quality.look(written(tmp_path, rows.with_columns(probability=pl.Series(worse.astype(np.float32)))))
    assert "quality/p_click/log_loss" in warned(area)


def test_rows_without_a_final_label_count_nowhere(tmp_path, promise):
    rows = some_days()
    write_served(rows, tmp_path / "journal")
    write_labels(rows.filter(pl.col("clicked") == 0), tmp_path / "feedback")  # clicks are not final yet
    day = min(labelled_days(tmp_path / "feedback"))
    found = rows_of(tmp_path / "journal", tmp_path / "feedback", day, quality_columns(declaration(), ["device", "cold_start"]))
    assert (
        len(found) == len(rows.filter(pl.col("clicked") == 0, pl.col("answered_at").dt.day() == 1))
        and found["clicked"].sum() == 0
    )
    assert set(found["slice cold_start"]) == {"creative seen in training", "creative new"}


def test_rows_without_a_creative_are_no_rows_with_a_new_one(tmp_path):
    rows = some_days().with_columns(creative_id__id=pl.Series(np.arange(ROWS) % 4, dtype=pl.UInt32))
    there = written(tmp_path, rows)
    columns = quality_columns(declaration(), ["cold_start"])
    found = rows_of(there.journal, there.feedback, min(labelled_days(there.feedback)), columns)
    by = dict(found.group_by("slice cold_start").agg(pl.col("creative_id").unique().sort()).iter_rows())
    assert by == {"creative seen in training": [2, 3], "creative new": [0], "(missing)": [1]}
    trend = next(one for one in quality.look(there).series if one.kind == "new_creatives")
    assert trend.points[0].value == pytest.approx(0.25, abs=0.01)


def test_releases_are_judged_apart(tmp_path, promise):
    rows = some_days()
    second = np.arange(ROWS) % 2 == 1
    mixed = relabelled(rows, np.where(second, 1.6, 1.0)).with_columns(release=pl.Series(np.where(second, 2, 1)))
    area = quality.look(written(tmp_path, mixed))
    verdicts = {one.release: one.verdict for one in area.findings if one.kind == "calibration"}
    assert verdicts == {1: "ok", 2: "page"}


def test_without_a_promise_predictions_are_taken_at_their_word(tmp_path, monkeypatch):
    monkeypatch.setattr(quality, "read_promise", lambda store, release: None)
    area = quality.look(written(tmp_path, relabelled(some_days(), 1.33)))
    assert "quality/p_click/calibration" in warned(area)
    assert any("release 1 has no promise" in note for note in area.notes)


def test_a_look_is_made_once_and_kept(tmp_path, promise):
    there = written(tmp_path, some_days())
    first = quality.look(there)
    content = (tmp_path / "monitor/quality/looks.json").read_bytes()
    promise["observed"] *= 2  # would be another verdict
    assert quality.look(there) == first
    assert (tmp_path / "monitor/quality/looks.json").read_bytes() == content
    (tmp_path / "monitor/quality/looks.json").write_text("{")
    with pytest.raises(ValueError, match="looks.json cannot be read .* remove it"):
        quality.look(there)


def test_a_killed_look_is_made_again_with_the_same_findings(tmp_path, promise):
    there = written(tmp_path, some_days())
    program = (
        "import os, signal, sys\n"
        "from pathlib import Path\n"
        "from lifecycle.monitor.quality import area, kept\n"
        "from tests.lifecycle.monitor.played import context\n"
        "area.read_promise = lambda store, release: None\n"
        "area.write_kept = lambda *args: os.kill(os.getpid(), signal.SIGKILL)\n"
        "area.look(context(Path(sys.argv[1])))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)], cwd=Path.cwd(), env=os.environ | {"PYTHONPATH": "."}, check=False
    )
    assert done.returncode == -signal.SIGKILL and not (tmp_path / "monitor/quality/looks.json").exists()
    again = quality.look(there)
    assert len(json.loads((tmp_path / "monitor/quality/looks.json").read_text())["points"]["1"]["calibration"]) == 3
    assert {one.kind for one in again.findings} >= {"calibration", "slices"}


def test_nothing_labelled_says_what_is_missing(tmp_path):
    write_served(some_days().head(500), tmp_path / "journal")
    area = quality.look(context(tmp_path))
    assert area.findings == () and area.notes[0].startswith("no quality yet: 0 rows of whole days have a final label")


def test_labels_of_answers_that_the_journal_removed_are_left_out_and_said(tmp_path, promise):
    there = written(tmp_path, some_days())
    shutil.rmtree(tmp_path / "journal/served/answered_day=2026-09-01")
    area = quality.look(there)
    assert any(note.startswith("1 days have labels, and the journal has no answers of them") for note in area.notes)
    found = next(one for one in area.findings if one.kind == "calibration")
    assert found.window.rows == len(some_days().filter(pl.col("answered_at").dt.day().is_between(2, 5)))


def test_a_broken_promise_is_said_with_its_release(tmp_path, promise):
    promise.pop("predicted")
    with pytest.raises(ValueError, match="the promise of release 1 cannot be read .* deploy its export again"):
        quality.look(written(tmp_path, some_days()))


def test_slices_share_their_error(tmp_path):
    rows = relabelled(some_days(), 1.0)
    write_served(rows, tmp_path / "journal")
    write_labels(rows, tmp_path / "feedback")
    columns = quality_columns(declaration(), ["device", "hour"])
    frame = rows_of(tmp_path / "journal", tmp_path / "feedback", min(labelled_days(tmp_path / "feedback")), columns)
    config: QualityConfig = replace(monitor_config().quality, slice_clicks=10)
    spent = ErrorShare(warning=0.05, page=0.005)
    case = QualityCase(rows=quality_rows(frame, own_word()), promised=own_word(), config=config, error=spent, release=1, name="x")
    found = sorted(judge_slices(case), key=lambda one: one.p_value)
    assert len(found) > 20
    share = spent.warning * config.shares.slices
    assert found[0].level == pytest.approx(share / len(found))
    assert all(one.verdict == "ok" for one in found)


def test_slices_after_the_first_that_chance_explains_have_its_share_and_its_chance():
    case = replace(
        case_of(label_N=np.tile([1.0, 0, 0, 0], 300), slice_N=np.arange(1200) % 3), error=ErrorShare(warning=0.5, page=0.05)
    )
    found = judge_slices(case)
    assert [one.level for one in found] == [pytest.approx(0.5 * case.config.shares.slices / 3)] * 3
    assert all(one.chance > abs(one.effect) for one in found)


def test_a_slice_of_two_creatives_is_judged_though_chance_may_give_anything():
    """By Student's t with one degree of freedom: the largest growth that chance gives is beyond what a float holds."""
    creative_N = np.where(np.arange(1200) < 30, 1, 0)
    label_N = np.where(creative_N == 1, 1.0, np.arange(1200) % 20 == 0)
    case = case_of(label_N=label_N, slice_N=np.where(np.arange(1200) < 600, 0, 1), units={"creatives": creative_N})
    found = {one.subject: one for one in judge_slices(case)}
    assert found["site=0"].verdict == "ok" and found["site=0"].evidence["by"] == "creatives"
    assert found["site=0"].chance == pytest.approx(np.expm1(10))
