"""`source.kind: served`: a data set trained on the rows that were served is the one trained on its own files."""

import shutil
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from contracts.dataset.config_errors import ConfigError
from contracts.dataset.served import as_read
from lifecycle.erase.source import count, raw_files
from lifecycle.erase.wanted import wanted_of
from stages import follow, train
from stages.compose import link_source
from stages.experiment import check_overrides
from stages.files import digests_below, read_json
from tests.stages.pipeline_world import COLUMNS, CONF, composed, declaration, run, write_month, write_params
from tests.stages.served_labels import declared_data, journalled, write_served

UP_TO_ENCODE = ("acquire", "validate", "split", "fit", "encode")
SEEN = [column | {"feature": True} if column["name"] == "user" else column for column in COLUMNS]
TINY = ("model.embedding_dim=4", "model.hidden_dims=[8]", "model.creative_dim=4", "train.max_epochs=1", "train.batch_size=64")


def served(data: dict) -> dict:
    """The same declaration, switched by the two keys that `data.source.kind=served` gives it."""
    return data | {"source": data["source"] | {"kind": "served", "served": "served_labels"}}


def clean_rows() -> list[pl.DataFrame]:
    return [pl.read_parquet(path) for path in sorted(Path("data/clean").glob("*/impressions.parquet"))]


def run_both(data: dict, overrides: tuple[str, ...] = ()) -> tuple[tuple, tuple]:
    """Clean rows, and digests of the encoded arrays, of the files and of what was served of them."""
    found = []
    for one in (data, served(data)):
        write_params(one, overrides)
        run(*UP_TO_ENCODE)
        found.append((clean_rows(), digests_below(Path("data/encoded"))))
        if one is data:
            write_served(Path("served_labels"), declared_data(data))
    return found[0], found[1]


def test_served_rows_are_the_rows_of_the_files(project):
    for month in (1, 2):
        write_month(project / "source", month)
    (rows, arrays), (served_rows, served_arrays) = run_both(declaration(columns=SEEN))
    assert [len(month) for month in rows] == [400, 400]
    for one, other in zip(rows, served_rows, strict=True):
        assert_frame_equal(one, other, check_exact=True)
    assert arrays == served_arrays and len(arrays) > 10


@pytest.mark.parametrize("name", ["shop", "mail"])
def test_one_override_is_enough_for_derived_columns_side_tables_and_words_for_labels(project, name):
    data = composed(f"data={name}")["data"]
    data["source"]["path"] = str(CONF.parent / data["source"]["path"])
    (rows, arrays), (served_rows, served_arrays) = run_both(data)
    for one, other in zip(rows, served_rows, strict=True):
        assert_frame_equal(one, other, check_exact=True)
    assert arrays == served_arrays and sum(map(len, rows)) == 2400


def test_the_simulated_exchange_is_switched_too(project):
    small = ("impressions_per_month=600", "creatives_per_month=30", "num_users=200", "num_sites=20", "num_advertisers=10")
    overrides = tuple(f"exchange.{one}" for one in small)
    (rows, arrays), (served_rows, served_arrays) = run_both(composed("data=simulated", *overrides)["data"], overrides)
    for one, other in zip(rows, served_rows, strict=True):
        assert_frame_equal(one, other, check_exact=True)
    assert arrays == served_arrays and not any(Path("data/truth").iterdir())


def test_the_configuration_is_switched_by_one_override():
    data = composed("data=shop", "data.source.kind=served")["data"]
    assert (data["source"]["served"], data["source"]["files"]) == ("served_labels", ["*.csv"])
    assert composed("data=shop", "data.source.kind=served", "feedback.labelled=mine")["data"]["source"]["served"] == "mine"
    check_overrides(CONF, ["data=mail", "data.source.kind=served"])
    read = as_read(declared_data(data))
    assert read.source.files == ("*/impressions.parquet",) and read.source.local == Path("served_labels")
    assert read.leave_out == () and read.label.labels is None and read.column("hour").derive_from is None
    assert as_read(declared_data(composed("data=shop")["data"])).source.kind == "files"
    assert declared_data(data).digest == declared_data(composed("data=shop")["data"]).digest  # takes the same requests


def test_what_no_request_says_is_missing_and_numbers_keep_float32(project):
    extra = {"name": "note", "role": "info", "dtype": "string"}
    columns = [*COLUMNS, extra]
    rows = pl.DataFrame(
        {
            "id": [1, 2, 3, 4],
            "t": pl.Series([f"2024-0{1 + i // 2}-0{i % 2 + 1}" for i in range(4)]).str.to_datetime(time_zone="UTC"),
            "site": ["a", "b", "a", "b"],
            "user": ["u", "v", "u", "v"],
            "ad": ["x", "x", "x", "x"],
            "age": [0.1, None, 33.333333333, 7.0],
            "view": [1, 2, 1, 2],
            "y": pl.Series([0, 1, 1, 0], dtype=pl.Int8),
            "note": ["n"] * 4,
        }
    )
    data = served(declaration(columns=columns, images=None))
    for month, part in (("2024-01", rows[:2]), ("2024-02", rows[2:])):
        (project / "served_labels" / month).mkdir(parents=True)
        journalled(part, declared_data(data)).write_parquet(project / "served_labels" / month / "impressions.parquet")
    write_params(data)
    run("acquire", "validate")
    found = pl.concat(clean_rows())
    assert found["age"].to_list() == [0.1, None, 33.333332, 7.0]
    assert found["age"].cast(pl.Float32).to_list() == rows["age"].cast(pl.Float32).to_list()  # what the model sees
    assert found["note"].to_list() == found["user"].to_list() == [None] * 4
    assert found["y"].to_list() == [0, 1, 1, 0]


def test_rows_that_break_the_contract_are_quarantined(project):
    data = served(declaration(columns=SEEN, images=None))
    for month in (1, 2):
        write_month(project / "source", month)
    write_params(data | {"source": declaration()["source"]})
    run("acquire", "validate")
    write_served(project / "served_labels", declared_data(data))
    path = project / "served_labels/2024-01/impressions.parquet"
    rows = pl.read_parquet(path)
    broken = rows.with_columns(age=pl.when(pl.int_range(400) == 7).then(-1.0).otherwise("age"))
    broken.with_columns(y=pl.when(pl.int_range(400) == 9).then(2).otherwise("y").cast(pl.Int8)).write_parquet(path)
    write_params(data)
    run("acquire", "validate")
    counts = read_json(Path("reports/validation.json"))["total"]
    assert (counts["raw"], counts["clean"], counts["rules"]) == (800, 798, {"label y": 1, "min age": 1})


def test_a_new_month_alone_is_read(project, capsys):
    data = declaration(columns=SEEN)
    for month in (1, 2):
        write_month(project / "source", month)
    run_both(data)
    shutil.copytree("served_labels/2024-02", "served_labels/2024-03")
    capsys.readouterr()
    run("acquire")
    assert "3 partitions of small, 1 new or changed" in capsys.readouterr().out


@pytest.mark.parametrize("made", ["nothing", "an empty folder", "a file of another kind"])
def test_nothing_served_is_told_in_one_sentence(project, made):
    if made != "nothing":
        (project / "served_labels").mkdir()
    if made == "a file of another kind":
        (project / "served_labels/readme.txt").write_text("here")
    write_params(served(declaration(images=None)))
    with pytest.raises(ConfigError, match=r"served_labels holds no rows that were served and labelled .* `make feedback INPUT="):
        run("acquire")


def test_no_folder_is_told_when_the_configuration_is_composed(project):
    with pytest.raises(ConfigError, match="served_labels holds no rows that were served and labelled"):
        link_source(declared_data(served(declaration())).source)
    (project / "served_labels").mkdir()
    (project / "data").mkdir()
    assert link_source(declared_data(served(declaration())).source) == "served_labels"
    assert Path("data/source").resolve() == project / "served_labels"


def test_rows_without_any_image_are_told(project):
    for month in (1, 2):
        write_month(project / "source", month)
    run_both(declaration(columns=SEEN))
    for folder in project.glob("served_labels/*/creatives"):
        shutil.rmtree(folder)
    with pytest.raises(ConfigError, match="rows without any image .* set serving.journal.images to all"):
        run("acquire")


def test_a_served_source_needs_its_folder():
    with pytest.raises(ConfigError, match="source.served is required when source.kind is served"):
        declared_data(declaration() | {"source": {"kind": "served", "files": ["*"]}})


def test_served_files_behind_a_link_are_followed(project):
    (project / "elsewhere/creatives").mkdir(parents=True)
    (project / "elsewhere/impressions.parquet").write_bytes(b"rows")
    (project / "elsewhere/creatives/a.png").write_bytes(b"image")
    (project / "served_labels").mkdir()
    (project / "served_labels/2024-01").symlink_to(project / "elsewhere")
    write_params(served(declaration()))
    follow.main()
    assert set(read_json(Path("data/linked.json"))) == {"2024-01/impressions.parquet", "2024-01/creatives/a.png"}


def test_a_users_rows_are_found_in_what_was_served(project):
    data = declared_data(served(declaration(columns=SEEN)))
    for month in ("2024-01", "2024-02"):
        (project / "served_labels" / month).mkdir(parents=True)
        pl.DataFrame({"user": ["u1", "u2", "u1"]}).write_parquet(project / "served_labels" / month / "impressions.parquet")
    (project / "data").mkdir()
    wanted = wanted_of(data, "u1", in_caller_keys=False, key=None)
    files = raw_files(data, wanted, project)
    assert [(file.path.parent.name, count(file, wanted)) for file in files] == [("2024-01", 2), ("2024-02", 2)]


@pytest.mark.slow
def test_a_model_trained_on_served_rows_has_the_same_weights(project):
    for month in (1, 2, 3):
        write_month(project / "source", month, 3000)
    data, weights = declaration(columns=SEEN), []
    for one in (data, served(data)):
        shutil.rmtree(".checkpoints", ignore_errors=True)
        write_params(one, TINY)
        run(*UP_TO_ENCODE)
        train.main()
        weights.append(Path("artifacts/model/weights.safetensors").read_bytes())
        if one is data:
            write_served(Path("served_labels"), declared_data(data))
    assert weights[0] == weights[1] and len(weights[0]) > 1000
