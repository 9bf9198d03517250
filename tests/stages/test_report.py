"""Stage report: the card is complete, self-contained, honest about what is missing, and the same bytes twice."""

import json
import re
import shutil
import subprocess
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from contracts.git_commit import git_revision
from stages import evaluate, report
from stages.reporting.card import CHAPTERS
from stages.reporting.findings import cautions, verdicts
from stages.reporting.training_curves import best_step, read_curves
from stages.reporting.wording import estimate, flat, minute
from tests.stages.evaluated_world import params, write_world

RULES = {"range age": 3, "not_null device": 1, '<script>alert("x")</script>': 2}
MONTH = {"raw": 4806, "clean": 4800, "quarantined": 6, "rules": RULES}


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., tuple[Path, np.ndarray]]:
    """A folder in which stage evaluate has run, to be read only, and the predictions; `world` as in write_world."""

    @cache
    def run(**world: object) -> tuple[Path, np.ndarray]:
        folder = tmp_path_factory.mktemp("evaluated")
        p_click = write_world(folder, **world)
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(folder)
            patch.setattr(evaluate, "score_split", lambda *_: p_click)
            Path("data/predictions").mkdir()
            pl.DataFrame({"constant": [0.15] * len(p_click), "lightgbm": p_click * 0.8}).write_parquet(evaluate.BASELINES_PATH)
            evaluate.main()
        return folder, p_click

    return run


@pytest.fixture
def project(evaluated, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A function that writes all that the stage reads; `world` as in write_world."""

    def write(**world: object) -> None:
        folder, p_click = evaluated(**world)
        shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(evaluate, "score_split", lambda *_: p_click)
        split = {"rows": 10, "clicks": 1, "from": "2026-01-01T00:00:09+00:00", "to": None}
        write_json("reports/split.json", {"train": split, "val": split, "test": split, "excluded": 2})
        write_json("reports/validation.json", {"months": {"2026-01": MONTH}, "total": MONTH})
        columns = [
            {
                "name": "age",
                "role": "numeric",
                "score": 0.1,
                "kept": True,
                "reason": "tells",
                "num_values": 9,
                "missing_frac": 0.5,
            }
        ]
        columns.append(
            {
                "name": "noise",
                "role": "categorical",
                "score": 0,
                "kept": False,
                "reason": "chance",
                "num_values": 2,
                "missing_frac": 0,
            }
        )
        write_json("reports/selection.json", {"columns": columns})
        write_json("reports/parity.json", {"max_abs_difference": {"ctr": 2e-7}, "rows": 1200})
        rates = {"column": "banner", "reason": "the creative shown", "prior_impressions": 30.0}
        trees = {"kept": "forward rates, 31 leaves", "num_trees": 40, "as_rates": {"banner": {}}}
        write_json("reports/baselines.json", {"creative_rate": rates, "lightgbm": trees})
        write_json("artifacts/model/model.json", {"num_parameters": 1234})
        manifest = {"files": {"ctr.onnx": "ab" * 32}, "data": {"test.parquet": "cd" * 32}, "code": "ef" * 32}
        write_json(
            "artifacts/export/manifest.json",
            manifest | {"params": params() | {"model": {"name": "dcnv2", "dims": [8, 4]}, "train": {"average_frac": 0.1}}},
        )
        (report.CURVES_DIR / "val").mkdir(parents=True)
        (report.CURVES_DIR / "val/log_loss.tsv").write_text("step\tlog_loss\n10\t0.5\n20\t0.4\n30\t0.45\n")

    return write


def write_json(path: str, obj: object) -> None:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_text(json.dumps(obj))


def test_card_has_every_chapter_and_the_numbers(project, capsys: pytest.CaptureFixture[str]) -> None:
    project()
    report.main()
    page = report.CARD_PATH.read_text()
    for chapter, title in CHAPTERS:
        assert f'<h2 id="{chapter}">{title}</h2>' in page
    for text in (
        "dcnv2",
        "1,234 weights",
        "4,806 raw rows",
        "range age (3)",
        "known only after the click",
        "ab" * 32,
        "ef" * 32,
    ):
        assert text in page
    auc = json.loads(evaluate.METRICS_PATH.read_text())["auc"]
    assert f"{auc:.4f}" in page
    assert "The weights at step 20 were kept" in page and "keep_negatives" not in page

    assert page.count("data:image/png;base64,") == 4
    assert "report: reports/model_card.html" in capsys.readouterr().out


def test_card_says_that_a_share_of_the_rows_without_a_click_was_trained_on(project) -> None:
    project()
    sampled = {"rows": 5000, "clicks": 200, "others_an_epoch": 480, "kept_share": 0.1, "logit_shift": -2.3}
    write_json("artifacts/model/model.json", {"num_parameters": 1234, "sampled_negatives": sampled})
    report.main()
    page = report.CARD_PATH.read_text()
    assert "all 200 training rows with a click and 480 of the 4,800 others" in page


def test_card_loads_nothing_and_runs_nothing(project) -> None:
    project()
    report.main()
    page = report.CARD_PATH.read_text()
    assert not re.search(r"https?://|<script|<link|@import|url\(", page)
    assert set(re.findall(r'src="([a-z]+:)', page)) == {"data:"}
    assert "&lt;script&gt;alert" in page


def test_two_runs_write_the_same_bytes(project) -> None:
    project()
    report.main()
    first = report.CARD_PATH.read_bytes()
    report.main()
    assert report.CARD_PATH.read_bytes() == first


def test_card_without_truth_creatives_and_curves_says_what_is_missing(project) -> None:
    project(truth=False, creative=False)
    (report.CURVES_DIR / "val/log_loss.tsv").unlink()
    report.main()
    page = report.CARD_PATH.read_text()
    assert "The true click probabilities of this data set are not known." in page
    assert "there is no oracle" in page
    assert "No training curves were recorded." in page
    assert "earnable share" not in page


def test_a_missing_report_is_an_error_that_names_the_stage(project) -> None:
    project()
    Path("reports/split.json").unlink()
    with pytest.raises(ValueError, match=r"reports/split\.json is missing; run stage split first"):
        report.main()


def test_best_step_is_the_lowest_validation_loss_and_timings_are_not_read(tmp_path: Path) -> None:
    (tmp_path / "val").mkdir()
    (tmp_path / "val/log_loss.tsv").write_text("step\tlog_loss\n5\t0.3\n9\t0.2\n12\t0.2\n")
    (tmp_path / "rows_per_s.tsv").write_text("step\trows_per_s\n5\t123.0\n")
    curves = read_curves(tmp_path)
    assert curves.keys() == {"val/log_loss"}
    assert best_step(curves) == 9
    assert best_step({}) is None


def test_the_end_of_an_epoch_is_no_spike_in_the_training_curve(tmp_path: Path) -> None:
    (tmp_path / "train").mkdir()
    (tmp_path / "train/loss.tsv").write_text("step\tloss\n50\t0.3\n100\t0.2\n102\t0.9\n150\t0.19\n200\t0.18\n204\t0.01\n")
    assert read_curves(tmp_path)["train/loss"].rows() == [(50, 0.3), (100, 0.2), (150, 0.19), (200, 0.18)]
    (tmp_path / "train/loss.tsv").write_text("step\tloss\n30\t0.3\n60\t0.2\n90\t0.1\n")  # epochs shorter than a window
    assert read_curves(tmp_path)["train/loss"]["step"].to_list() == [30, 60, 90]


def test_the_first_line_says_what_is_wrong_before_what_is_good(project) -> None:
    project()
    report.main()
    page = report.CARD_PATH.read_text()
    first = page[page.index("<header>") : page.index("<h1>")]
    assert 'class="headline' in first
    assert '<object class="run" type="text/html" data="run.html">' in page and Path("reports/run.html").is_file()
    found = json.loads(Path("reports/evaluation.json").read_text())
    ratio = {"value": 1.2, "low": 1.1, "high": 1.3}
    found["models"]["model"]["observed_over_predicted"] = ratio
    found["differences"]["lightgbm"]["log_loss"] = {"value": -0.1, "low": -0.2, "high": -0.05}
    write_json("reports/evaluation.json", found)
    report.main()
    page = report.CARD_PATH.read_text()
    first = page[page.index("<header>") : page.index("<h1>")]
    assert first.index("20% more clicks came than predicted") < first.index("better in log-loss than LightGBM")
    assert 'class="tile bad"><span class="name">Observed / predicted' in page


def evaluation(
    gap: tuple[float | None, float | None], ratio: tuple[float, float], clicks: int = 5000, quiet: int = 90_000
) -> dict:
    difference = {"value": 0.0, "low": gap[0], "high": gap[1]}
    if gap[0] is None:
        difference["reason"] = "no interval: 3 clicks"
    model = {"observed_over_predicted": {"value": sum(ratio) / 2, "low": ratio[0], "high": ratio[1]}}
    even = {"value": 1.0, "low": 0.9, "high": 1.1}
    weak = {"value": "tv", "rows": 50, "auc": {"value": 0.55, "low": 0.48, "high": 0.6}, "observed_over_predicted": even}
    differences = {"lightgbm": {"log_loss": difference}}
    counts = {"rows": clicks + quiet, "clicks": clicks, "settings": {"confidence": 0.95}}
    return counts | {"models": {"model": model}, "differences": differences, "slices": {"device": [weak]}}


@pytest.mark.parametrize(
    ("gap", "words"),
    [
        ((-0.2, -0.1), "is better than"),
        ((0.1, 0.2), "is worse than"),
        ((-0.1, 0.1), "not measurably"),
        ((None, None), "cannot be told apart from LightGBM: no interval: 3 clicks."),
    ],
)
def test_verdict_follows_the_interval(gap: tuple, words: str) -> None:
    assert words in verdicts(evaluation(gap, (0.9, 1.1)))[0]


def test_a_shortfall_is_the_first_line_of_the_card_and_the_last_of_the_stage(project, capsys) -> None:
    project()
    found = json.loads(Path("reports/evaluation.json").read_text())
    assert found["shortfall"] is None
    write_json("reports/evaluation.json", found | {"shortfall": "THE MODEL IS WORSE THAN <LIGHTGBM>: try this"})
    report.main()
    page = report.CARD_PATH.read_text()
    body = page[page.index("<body>") :]
    assert body.index("THE MODEL IS WORSE THAN &lt;LIGHTGBM&gt;: try this") < body.index("<h1>")
    assert capsys.readouterr().out.splitlines()[-1] == "report: THE MODEL IS WORSE THAN <LIGHTGBM>: try this"


def test_cautions_name_drift_few_clicks_weak_slices_and_quarantine() -> None:
    total = {"raw": 100, "quarantined": 7}
    text = " ".join(cautions(evaluation((0.0, 0.0), (1.2, 1.4), clicks=80, quiet=60), {"total": total}))
    assert "30% more clicks came than predicted" in text
    assert "only 80 clicks" in text and "only 60 test rows without a click" in text
    assert "By device: the ranking is not proven better than chance for tv" in text
    assert "7.0% of the raw rows are in quarantine" in text


def test_numbers_are_worded_with_interval_or_with_the_reason() -> None:
    assert estimate({"value": 0.71234, "low": 0.7, "high": 0.72}, "auc") == (
        '0.7123 <span class="interval">[0.7000, 0.7200]</span>'
    )
    assert 'title="undefined: 0 clicks"' in estimate(
        {"value": None, "low": None, "high": None, "reason": "undefined: 0 clicks"}, "auc"
    )
    assert flat({"b": {"y": [1, 2], "x": None}, "a": 0.1}) == [("a", "0.1"), ("b.x", "None"), ("b.y", "1, 2")]
    assert minute("2026-05-01T00:00:06+00:00") == "2026-05-01 00:00"
    assert (minute(None), minute(17)) == ("–", "17")


def test_revision_says_the_commit_and_whether_files_differ(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert git_revision() == {"commit": None, "uncommitted_changes": None}
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@example.org"]
    (tmp_path / "file").write_text("one")
    for arguments in (["init", "-q"], ["add", "file"], ["commit", "-q", "-m", "one"]):
        subprocess.run([*git, *arguments], check=True)
    clean = git_revision()
    assert len(clean["commit"]) == 40
    assert clean["uncommitted_changes"] is False
    (tmp_path / "file").write_text("two")
    assert git_revision() == {**clean, "uncommitted_changes": True}
