"""Stage compare: from no champion to a page, and what it refuses."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from stages import compare
from stages.evaluation.metrics import log_loss
from stages.files import read_json
from stages.scoring.scorer import score_split
from tests.comparing.compared_world import COLUMNS, crown, inside, make_model, world
from tests.comparing.planted import leak


@pytest.fixture(scope="module")
def champion(tmp_path_factory) -> Path:
    return make_model(tmp_path_factory.mktemp("champion"), world())


@pytest.fixture(scope="module")
def candidate(tmp_path_factory) -> Path:
    return make_model(tmp_path_factory.mktemp("candidate"), world(), seed=1)


def run_compare(folder: Path) -> dict:
    with inside(folder):
        compare.main()
        return read_json(Path("reports/comparison.json"))


def first_line(folder: Path) -> str:
    page = (folder / "reports/comparison.html").read_text()
    return page[page.index('<p class="verdict') :].partition("</p>")[0]


def test_the_first_model_has_nothing_to_be_compared_with_and_passes(champion, capsys):
    found = run_compare(champion)
    assert (found["verdict"], found["passes"], found["champion"]) == ("first", True, None)
    assert capsys.readouterr().out.startswith("compare: first, passes: there is no champion to compare it with")
    assert "First model, passes." in first_line(champion)


def test_the_champion_itself_passes(champion):
    with inside(champion):
        crown(champion, champion)
        try:
            found = run_compare(champion)
        finally:
            shutil.rmtree("champion")
    assert (found["verdict"], found["passes"]) == ("same", True) and found["candidate"] == found["champion"]


def test_the_page_says_the_verdict_and_why_in_its_first_line(champion, candidate, capsys):
    crown(champion, candidate)
    found = run_compare(candidate)
    assert found["verdict"] in ("better", "not_worse") and found["passes"]
    assert "passes.</b> log-loss " in first_line(candidate) and "whole " in first_line(candidate)
    page = (candidate / "reports/comparison.html").read_text()
    assert page.count("data:image/png;base64,") == 2 and "http" not in page.replace("http-equiv", "")
    assert capsys.readouterr().out.startswith(f"compare: {found['verdict']}, passes: log-loss ")
    assert run_compare(candidate) == found  # bytes are a function of the inputs


def test_losses_and_predictions_are_those_of_each_models_own_graphs(champion, candidate):
    crown(champion, candidate)
    found = run_compare(candidate)["overall"]
    label = world().splits["test"]["y"].to_numpy()
    with inside(candidate):
        for name, export in (("champion", Path("champion/model/export")), ("candidate", Path("artifacts/export"))):
            p_click = score_split(export, Path("data/split/test.parquet"))
            assert found[name]["log_loss"] == pytest.approx(log_loss(label, p_click), abs=1e-6)
            assert found[name]["observed_over_predicted"] == pytest.approx(label.sum() / p_click.sum(), abs=1e-5)
    assert found["relative"]["value"] == pytest.approx(
        found["candidate"]["log_loss"] / found["champion"]["log_loss"] - 1, abs=1e-5
    )


def test_images_of_ads_that_the_champion_has_not_seen_are_shown_to_it(tmp_path, champion, candidate):
    made = world()
    blind = replace(made, images=dict(sorted(made.images.items())[: len(made.images) // 2]))
    crown(make_model(tmp_path / "blind", blind), candidate)
    shown = run_compare(candidate)["overall"]["champion"]["log_loss"]
    crown(champion, candidate)
    assert shown == pytest.approx(run_compare(candidate)["overall"]["champion"]["log_loss"], abs=2e-4)


def test_a_declaration_that_gains_a_nullable_column_is_compared_also_as_old_requests_see_it(tmp_path, champion):
    gained = make_model(tmp_path, leak(world()), seed=1)
    crown(champion, gained)
    found = run_compare(gained)
    assert found["overall"]["relative"]["value"] < -0.1  # the new column tells the label
    assert found["old_requests"]["value"] > 0 and "old_requests" in [one["kind"] for one in found["findings"]]
    column = next(one for one in found["columns"] if one["name"] == "seconds")
    assert column["candidate"]["used"] and not column["champion"]["used"]


def test_other_declarations_are_no_pass_and_the_difference_is_named(tmp_path, champion):
    made = world()
    with_hours = [column | {"max": 30} if column["name"] == "hour" else column for column in COLUMNS]
    other = make_model(tmp_path, replace(made, columns=with_hours), seed=1)
    crown(champion, other)
    found = run_compare(other)
    assert (found["verdict"], found["passes"]) == ("not_comparable", False)
    assert "column 'hour' has max 30.0, the champion's had None" in found["reasons"][0]
    assert "Not comparable, does not pass." in first_line(other)


def test_a_champion_that_was_not_pulled_or_is_damaged_is_one_sentence(champion, candidate):
    crown(champion, candidate)
    with inside(candidate):
        split = Path("champion/model/split.json")
        kept = split.read_bytes()
        split.unlink()
        with pytest.raises(ValueError, match=r"split.json is missing; `dvc checkout --force champion/model.dvc` brings"):
            compare.main()
        split.write_bytes(kept)
        Path("champion/model/export/ranker.onnx").write_bytes(b"other")
        with pytest.raises(ValueError, match=r"champion/model/export/ranker.onnx is not the file that was exported"):
            compare.main()
        crown(champion, candidate)
        Path("champion/model").rename("champion/elsewhere")
        Path("champion/model.dvc").write_text("outs: []")
        try:
            with pytest.raises(ValueError, match=r"champion/model is not here; `dvc pull champion/model.dvc` brings"):
                compare.main()
        finally:
            Path("champion/model.dvc").unlink()
            Path("champion/elsewhere").rename("champion/model")


def test_a_candidate_that_was_not_evaluated_is_one_sentence(candidate):
    with inside(candidate):
        Path("reports/evaluation.json").rename("reports/kept.json")
        try:
            with pytest.raises(ValueError, match=r"evaluation.json is missing; `dvc repro compare` runs all that is needed"):
                compare.main()
        finally:
            Path("reports/kept.json").rename("reports/evaluation.json")


def test_a_watched_slice_that_the_data_set_has_not_is_refused(champion):
    with inside(champion):
        params = yaml.safe_load(Path("params.yaml").read_text())
        before = json.dumps(params)
        params["compare"]["watch"] = ["galaxy"]
        Path("params.yaml").write_text(yaml.safe_dump(params))
        try:
            with pytest.raises(ValueError, match="compare.watch names 'galaxy', by which rows cannot be sliced; allowed: site"):
                compare.main()
        finally:
            Path("params.yaml").write_text(yaml.safe_dump(json.loads(before)))
