"""Stage inherit, and fit behind it: a month after the champion its columns and scales stay, strings are fitted anew."""

import shutil
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import torch
import yaml

from stages import export, inherit
from stages.features.vocabulary import FIRST_ID
from stages.files import digests_below, read_json, sha256_file, write_json
from stages.models.encoded_arrays import load_spec
from stages.models.model_folder import load_model
from stages.warm_start.inherited import FOLDER, Inherited, read_inherited
from stages.warm_start.rows import known_values
from stages.warm_start.weights import initial_weights
from tests.stages.exported_world import MODEL, export_small_model
from tests.stages.pipeline_world import COLUMNS, CONF, declaration, run, write_month, write_params

AS_CHAMPION = (*MODEL, "train.start=champion")
EXPORT, TABLE = Path("champion/model/export"), "ranker.embedding.table.weight"


def write_other_month(source: Path, month: int, num_rows: int) -> None:
    """From the second month on people are ten years older, and a site is new and the most frequent."""
    path = write_month(source, month, num_rows) / "rows.csv"
    if month > 1:
        sites = {f"site {number}": "site new" for number in (0, 2, 4)}
        pl.read_csv(path).with_columns(pl.col("age") + 10, pl.col("site").replace(sites)).write_csv(path)


@pytest.fixture(scope="module")
def champion(tmp_path_factory) -> Path:
    """A project of two months, exported, with that export as the champion; then a third month came."""
    folder = tmp_path_factory.mktemp("inherit")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        export_small_model(folder, write=write_other_month)
        shutil.copytree("artifacts/export", EXPORT)
        shutil.copy("reports/split.json", "champion/model")
        write_other_month(folder / "source", 3, 300)
        write_params(declaration(), AS_CHAMPION)
        run("acquire", "validate", "split")
    return folder


@pytest.fixture
def here(champion, tmp_path, monkeypatch) -> Path:
    shutil.copytree(champion, tmp_path / "project", symlinks=True)
    monkeypatch.chdir(tmp_path / "project")
    return tmp_path / "project"


def inherited() -> Inherited:
    inherit.main()
    found = read_inherited("champion")
    assert found is not None
    return found


def set_params(*overrides: str, **changes: Any) -> None:
    write_params(declaration(**changes), overrides or AS_CHAMPION)


def test_the_export_keeps_what_a_later_training_starts_from(here):
    network, kept = load_model(EXPORT), load_model(Path("artifacts/model"))
    for name, tensor in kept.state_dict().items():
        assert torch.equal(network.state_dict()[name], tensor), name
    assert {"weights.safetensors", "model.json"} <= set(read_json(EXPORT / "manifest.json")["files"])


def test_columns_and_scales_stay_and_values_are_fitted_anew(here):
    found = inherited()
    run("fit", "encode")
    before, now = read_json(EXPORT / "features.json"), read_json(Path("artifacts/features.json"))
    assert now["scales"] == before["scales"] and now["numbers"] == before["numbers"] and now["inputs"] == before["inputs"]
    old, new = known_values(EXPORT / "encoder.onnx"), known_values(Path("artifacts/encoder.onnx"))
    assert set(new["site"]) - set(old["site"]) == {"site new"} and new["site"].index("site new") < len(old["site"])
    selection = {column["name"]: column["reason"] for column in read_json(Path("reports/selection.json"))["columns"]}
    assert selection["age"] == "the champion looks at it"

    champions = load_model(EXPORT).state_dict()[TABLE]
    weights = initial_weights(found, load_spec(Path("data/encoded")), new).weights[TABLE]
    for place, site in enumerate(new["site"]):
        expected = old["site"].index(site) + FIRST_ID if site in old["site"] else 0
        assert torch.equal(weights[place + FIRST_ID], champions[expected]), site


def test_from_scratch_the_same_rows_have_other_scales(here):
    set_params(*MODEL)
    run("fit")
    before, now = read_json(EXPORT / "features.json"), read_json(Path("artifacts/features.json"))
    assert now["scales"] != before["scales"] and now["scales"][0]["mean"] > before["scales"][0]["mean"]


def test_from_scratch_the_output_is_the_same_whoever_the_champion_is(here):
    set_params(*MODEL)
    inherit.main()
    first = digests_below(FOLDER)
    assert list(first) == ["start.json"]
    (EXPORT / "manifest.json").write_text("{}")
    inherit.main()
    assert digests_below(FOLDER) == first
    shutil.rmtree("champion")
    inherit.main()
    assert digests_below(FOLDER) == first


def test_without_a_champion_it_says_so(here):
    shutil.rmtree("champion")
    with pytest.raises(
        ValueError, match="no model was ever promoted; `make promote` makes one, or train with train.start=scratch"
    ):
        inherit.main()


def test_a_champion_without_weights_or_with_other_files_is_refused(here):
    manifest = read_json(EXPORT / "manifest.json")
    (EXPORT / "weights.safetensors").write_bytes(b"other")
    with pytest.raises(ValueError, match=r"weights.safetensors is not the file that was exported; `dvc checkout --force"):
        inherit.main()
    (EXPORT / "weights.safetensors").unlink()
    with pytest.raises(ValueError, match=r"weights.safetensors is missing; `dvc checkout --force"):
        inherit.main()
    del manifest["files"]["weights.safetensors"]
    write_json(EXPORT / "manifest.json", manifest)
    with pytest.raises(ValueError, match=r"was exported without weights.safetensors, as models were before; promote a model"):
        inherit.main()
    assert not FOLDER.exists()


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("model.embedding_dim=8", "whose model.embedding_dim is 4, but here model.embedding_dim is 8: the weights do not fit"),
        ("model.hidden_dims=[16]", r"whose model.hidden_dims is \[16, 8\], but here model.hidden_dims is \[16\]"),
        ("model=logistic", "whose model.name is dcnv2, but here model.name is logistic"),
        ("features.image_size=16", "looks at images of 8 pixels a side, but features.image_size is 16; set it to 8, or train"),
    ],
)
def test_another_network_is_refused(here, override, said):
    kept = [one for one in AS_CHAMPION if override != "model=logistic" or not one.startswith("model")]
    set_params(*kept, override)
    with pytest.raises(ValueError, match=said):
        inherit.main()


def test_another_dropout_is_no_other_network(here):
    set_params(*AS_CHAMPION, "model.dropout=0.3")
    assert inherited().origin.learned_until == read_json(Path("champion/model/split.json"))["train"]["to"]


def test_images_where_the_champion_looks_at_none_are_refused(here):
    set_params(images=None)
    with pytest.raises(ValueError, match="which looks at images, but section data declares none; train with train.start=scratch"):
        inherit.main()


def test_rows_that_the_champion_has_learnt_are_refused_in_val_and_test(here):
    splits, champions = read_json(Path("reports/split.json")), read_json(Path("champion/model/split.json"))
    write_json(Path("champion/model/split.json"), champions | {"train": champions["train"] | {"to": splits["val"]["from"]}})
    with pytest.raises(ValueError, match="val or test begin at 2024-02-.*may hold rows that it has learnt; take later data"):
        inherit.main()
    write_json(Path("champion/model/split.json"), champions | {"train": champions["train"] | {"to": None}})
    with pytest.raises(ValueError, match="the champion's rows had no times"):
        inherit.main()
    write_json(Path("champion/model/split.json"), champions)
    write_json(Path("reports/split.json"), splits | {"val": splits["val"] | {"from": None}})
    with pytest.raises(ValueError, match="needs rows with times"):
        inherit.main()


def test_what_the_champion_was_started_from_had_learnt_counts_too(here):
    path, until = EXPORT / "model.json", "2024-02-27T00:00:00+00:00"
    write_json(path, read_json(path) | {"started_from": {"champion": "a", "learned_until": until}})
    manifest = read_json(EXPORT / "manifest.json")
    write_json(EXPORT / "manifest.json", manifest | {"files": manifest["files"] | {"model.json": sha256_file(path)}})
    with pytest.raises(ValueError, match=f"was fitted to rows up to {until}".replace("+", r"\+")):
        inherit.main()


def changed(name: str, **values: Any) -> list[dict[str, Any]]:
    return [column | (values if column["name"] == name else {}) for column in COLUMNS]


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        (changed("view", role="info", keep=False), "which looks at column 'view', but that is no feature now"),
        (changed("age", log=False), "for which column 'age' has log: true, but it is false now"),
        (changed("view", role="numeric"), "for which column 'view' is categorical, but it is numeric now"),
    ],
)
def test_a_column_that_is_another_now_is_refused(here, columns, said):
    inherit.main()
    set_params(columns=columns)
    with pytest.raises(ValueError, match=f"train.start is champion, {said}; train with train.start=scratch"):
        run("fit")


def test_a_column_of_the_champion_that_is_a_leak_by_now_is_refused(here):
    inherit.main()
    set_params(*AS_CHAMPION, "features.selection.max_explained=0.001")
    with pytest.raises(ValueError, match="which looks at column 'site', but that explains .*; train with train.start=scratch"):
        run("fit")


def test_code_that_says_what_is_taken_over_is_part_of_a_models_identity():
    assert {"stages/warm_start", "stages/inherit.py"} <= {str(path) for path in export.CODE}
    assert yaml.safe_load((CONF / "train/default.yaml").read_text())["start"] == "scratch"
