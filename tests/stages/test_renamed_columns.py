"""Raw files in their own names, behind lines of their own: from the pipeline to bulk scoring and `serving.predict`."""

import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest
from google.protobuf.json_format import MessageToDict

from serving.client import CtrClient
from serving.client.served_model import ServedModel, served_model
from serving.predict import command as predict
from stages import score
from stages.scoring.scorer import Scorer, score_split
from tests.serving.client_world import ALLOWED
from tests.serving.container_world import read_config
from tests.serving.served_world import REPOSITORY, serving
from tests.stages.declared_worlds import columns_of
from tests.stages.exported_world import export_small_model
from tests.stages.pipeline_world import declaration, rows_of

OLD = {"cat_idx": "site", "probability": "age", "p_click": "y"}  # three tensors' names
SOURCE = declaration()["source"] | {"rename": OLD, "format": {"skip_lines": "to_header"}}
DATA = declaration(columns=columns_of("site", "age", "view"), images=None, source=SOURCE)
NAMES = [column["name"] for column in DATA["columns"]]


def raw_rows(month: int, num_rows: int) -> pl.DataFrame:
    return rows_of(month, num_rows).select(NAMES).rename({new: old for old, new in OLD.items()})


def write_raw(source: Path, month: int, num_rows: int) -> None:
    folder = source / f"2024-{month:02d}"
    folder.mkdir(parents=True)
    (folder / "rows.csv").write_text("# exported; site, age\n" * month + raw_rows(month, num_rows).write_csv())


@pytest.fixture(scope="module")
def renamed(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("renamed")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        export_small_model(folder, DATA, write_raw)
    return folder


@pytest.fixture
def truth(renamed) -> list[float]:
    """What evaluation says of the test month, in the order of its rows."""
    p = score_split(renamed / "artifacts/export", renamed / "data/split/test.parquet")
    assert len(p) == 300 and p.std() > 0.05
    return p.tolist()


class InProcess:
    """Stands in for the client: the exported graphs answer, in this process."""

    def __init__(self, folder: Path) -> None:
        self._model = served_model(
            MessageToDict(
                read_config(folder / "artifacts/repository/embedded/ctr/config.pbtxt"), preserving_proto_field_name=True
            )
        )
        self._scorer = Scorer(folder / "artifacts/export")

    def __call__(self, *_, **__) -> "InProcess":
        return self

    def __enter__(self) -> "InProcess":
        return self

    def __exit__(self, *_) -> None:
        pass

    def served(self) -> ServedModel:
        return self._model

    def predict_apart(self, rows: pl.DataFrame, images: None, check: bool, release: None) -> tuple[SimpleNamespace, list]:
        p_click = self._scorer.score(rows, None, None)
        return SimpleNamespace(probability=p_click, model_version=np.ones(len(rows), dtype=np.int64)), []


def test_the_pipeline_knows_the_new_names_alone(renamed):
    assert set(NAMES) <= set(pl.read_parquet(renamed / "data/split/train.parquet").columns)
    assert not {*OLD} & set(pl.read_parquet(renamed / "data/split/train.parquet").columns)


@pytest.mark.parametrize("without", [[], ["p_click"]])
def test_bulk_scoring_takes_the_files_as_they_came(monkeypatch, project, renamed, truth, without):
    Path("in.csv").write_text("# a line that training's files have not\n\n" + raw_rows(2, 300).drop(without).write_csv())
    monkeypatch.setattr(sys, "argv", ["score", "in.csv", "out.parquet", "--model", str(renamed / "artifacts/export")])
    score.main()
    assert pl.read_parquet("out.parquet")["p_click"].to_list() == truth


@pytest.mark.parametrize("names", ["raw", "declared"])
@pytest.mark.parametrize("declared", [True, False])
def test_predict_takes_the_same_names_with_and_without_the_declaration(monkeypatch, project, renamed, truth, names, declared):
    rows = raw_rows(2, 300) if names == "raw" else raw_rows(2, 300).rename(OLD)
    rows.write_csv("in.csv")
    monkeypatch.setattr(predict, "CtrClient", InProcess(renamed))
    arguments = ["--declaration", str(renamed / "artifacts/export/declaration.json")] if declared else []
    monkeypatch.setattr(sys, "argv", ["predict", "in.csv", "--output", "out.parquet", *arguments])
    predict.main()
    scored = pl.read_parquet("out.parquet")
    assert scored["row"].to_list() == list(range(1, 301))
    assert scored["p_click"].to_list() == truth


@pytest.mark.triton
def test_the_server_publishes_the_old_names_and_its_file_is_scored(monkeypatch, project, renamed, truth):
    raw_rows(2, 300).drop("p_click").write_csv("in.csv")
    with serving(project / "served", renamed / REPOSITORY) as server:
        with CtrClient(server.grpc_url) as client:
            assert client.served().request.rename == {"cat_idx": "site", "probability": "age"}
        monkeypatch.setattr(sys, "argv", ["predict", "in.csv", "--output", "out.parquet", "--url", server.grpc_url])
        predict.main()
    assert np.abs(pl.read_parquet("out.parquet")["p_click"].to_numpy() - truth).max() <= ALLOWED


def test_a_file_with_both_names_of_a_column_is_not_guessed_about(monkeypatch, project, renamed):
    raw_rows(2, 20).with_columns(site=pl.lit("a")).write_csv("in.csv")
    monkeypatch.setattr(predict, "CtrClient", InProcess(renamed))
    monkeypatch.setattr(sys, "argv", ["predict", "in.csv", "--output", "out.parquet"])
    with pytest.raises(ValueError, match="in.csv has 'cat_idx' and 'site', and source.rename calls the first as the second"):
        predict.main()
