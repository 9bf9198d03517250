"""What a release is watched by: its profile, and the promise that is kept when it comes into the store."""

import json
import shutil
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest

from contracts.lifecycle.champion import CHAMPION
from contracts.serving.releases import EXPORTED, model_of
from serving.releases.choice import choose_release
from serving.releases.reference import keep_promise, read_profile, read_promise
from serving.releases.store import Store
from tests.serving.served_world import REPOSITORY
from tests.serving.small_store import small_store

AT = Path("reports/evaluation.json")


def estimate(value: float) -> dict:
    return {"value": value, "low": value * 0.9, "high": value * 1.1}


def evaluation(model: str | None, **changes: object) -> dict:
    """As much of reports/evaluation.json as a promise is made of."""
    judged = {name: estimate(value) for name, value in (("log_loss", 0.15), ("normalised_entropy", 0.9), ("auc", 0.7))}
    tv = {"value": "tv", "rows": 40, "ctr": estimate(0.05), "mean_prediction": 0.04, "log_loss": 0.2, "predicted_log_loss": 0.17}
    return {
        "export": model,
        "rows": 100,
        "ctr": estimate(0.04),
        "models": {"model": judged | {"mean_prediction": 0.041, "predicted_log_loss": 0.16}},
        "slices": {"device": [tv]},
        "creative_age": {"known": {"rows": 90, "log_loss": 0.1, "observed": 0.03, "predicted": 0.03, "predicted_log_loss": 0.11}},
        "settings": {"confidence": 0.95},
    } | changes


def write_evaluation(content: object, path: Path = AT) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content))


@pytest.fixture
def store(project) -> Store:
    return small_store(project)


def test_a_promise_is_what_the_evaluation_of_the_same_export_said(store):
    write_evaluation(evaluation("model-1"))
    assert keep_promise(store.folder, 1) is None
    assert read_promise(store.folder, 1) == {
        "format": 1, "model": "model-1", "rows": 100, "observed": 0.04, "predicted": 0.041,
        "log_loss": 0.15, "expected_log_loss": 0.16, "normalised_entropy": 0.9, "auc": 0.7, "confidence": 0.95,
        "intervals": {
            "log_loss": pytest.approx([0.135, 0.165]), "normalised_entropy": pytest.approx([0.81, 0.99]),
            "auc": pytest.approx([0.63, 0.77]),
        },
        "slices": {
            "device": {"tv": {"rows": 40, "log_loss": 0.2, "observed": 0.05, "predicted": 0.04, "expected_log_loss": 0.17}},
        },
        "creative_age": {"known": {"rows": 90, "log_loss": 0.1, "observed": 0.03, "predicted": 0.03, "expected_log_loss": 0.11}},
    }  # fmt: skip
    assert read_promise(store.folder, 2) is None


def test_a_data_set_without_creatives_has_no_classes_of_them(store):
    write_evaluation(evaluation("model-1", creative_age=None))
    assert keep_promise(store.folder, 1) is None and read_promise(store.folder, 1)["creative_age"] is None


def test_a_promise_is_not_changed_by_what_is_found_later(store):
    write_evaluation(evaluation("model-1"))
    keep_promise(store.folder, 1)
    write_evaluation(evaluation("model-1", rows=7))
    assert keep_promise(store.folder, 1) is None and read_promise(store.folder, 1)["rows"] == 100


def test_the_champions_own_evaluation_is_taken_for_the_champion(store):
    write_evaluation(evaluation("model-2"))
    write_evaluation(evaluation("model-1"), CHAMPION / "evaluation.json")
    assert keep_promise(store.folder, 1) is None and read_promise(store.folder, 1)["model"] == "model-1"


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (None, "reports/evaluation.json is missing"),
        (evaluation("another"), "reports/evaluation.json is about another export"),
        ({"rows": 3}, "reports/evaluation.json is about another export"),  # of before it named its export
        ("{half", "reports/evaluation.json holds no JSON object"),
        ("[]", "reports/evaluation.json holds no JSON object"),
        ({"export": "model-1", "rows": 3}, "reports/evaluation.json is not what stage evaluate writes"),
    ],
)
def test_without_an_evaluation_of_this_export_there_is_no_promise_and_the_reason_is_told(store, content, why):
    if content is not None:
        write_evaluation(content)
    said = keep_promise(store.folder, 1)
    assert said.startswith(f"nothing is known that version 1 could be held against ({why}")
    assert said.endswith("; `dvc repro evaluate`, then deploy it again")
    assert read_promise(store.folder, 1) is None and not (store.folder / "promises").exists()


def test_a_promise_of_another_model_or_a_broken_one_is_written_anew(store):
    write_evaluation(evaluation("model-1"))
    path = store.folder / "promises/1.json"
    write_evaluation(evaluation("of a store that was here before"), path)
    assert read_promise(store.folder, 1) is None
    write_evaluation("{half", path)
    with pytest.raises(ValueError, match=r"promises/1.json holds no JSON object; remove it"):
        read_promise(store.folder, 1)
    assert keep_promise(store.folder, 1) is None and read_promise(store.folder, 1)["rows"] == 100


def test_two_at_once_leave_one_whole_promise(store):
    write_evaluation(evaluation("model-1"))
    with ProcessPoolExecutor(2) as pool:
        assert set(pool.map(keep_promise, [store.folder] * 40, [1] * 40)) == {None}
    assert [path.name for path in (store.folder / "promises").iterdir()] == ["1.json"]


def test_pruned_releases_take_their_promises_along(project):
    store = small_store(project, releases=4, served=4)
    for number in (1, 2, 4):
        write_evaluation(evaluation(f"model-{number}"))
        keep_promise(store.folder, number)
    assert store.prune(keep=1) == [1, 2]
    assert sorted(path.name for path in (store.folder / "promises").iterdir()) == ["4.json"]


def test_the_first_export_that_is_served_has_profile_and_promise(project, exported):
    shutil.copytree(exported / REPOSITORY, EXPORTED)
    write_evaluation(evaluation(model_of(EXPORTED)))
    store = Store(Path("models"))
    choose_release(store)
    assert read_promise(store.folder, 1)["observed"] == 0.04
    profile = read_profile(store.folder, 1)
    assert profile == json.loads((exported / "artifacts/reference_profile.json").read_text())
    assert profile["format"] == 2 and profile["entities"] == 40 and len(profile["images"]["brightness"]) == 21
    assert set(profile["columns"]) == {"site", "ad", "age", "view"}


def test_a_release_of_before_there_were_profiles_has_none(store):
    assert read_profile(store.folder, 1) is None and read_profile(store.folder, 99) is None
    assert read_promise(Path("nowhere"), 1) is None


def test_both_packagings_have_the_profile_beside_ctr_alone(exported):
    found = {
        path.relative_to(exported / "artifacts/repository").as_posix(): path.read_bytes()
        for path in (exported / "artifacts/repository").rglob("profile.json")
    }
    assert set(found) == {"embedded/ctr/1/profile.json", "container/ctr/1/profile.json"}
    for name in found:
        package = json.loads((exported / "artifacts/repository" / name).with_name("package.json").read_text())
        assert "profile.json" in package["files"]
    manifest = json.loads((exported / "artifacts/export/manifest.json").read_text())
    assert "profile.json" in manifest["files"]
