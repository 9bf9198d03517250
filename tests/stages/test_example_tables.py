"""The tables of examples/ are what their declarations say; so are published files where a machine has them."""

import runpy
import shutil
from pathlib import Path

import polars as pl
import pytest

from bench.workspace import SOURCES, SOURCES_ENV, source_folder
from tests.stages.pipeline_world import CONF, composed, run, write_params

ROOT = CONF.parent
EXAMPLES = ROOT / "examples"
PUBLISHED = {"bank_marketing": 0.10, "open_bandit": 0.003}  # name -> share of rows with label 1, at least
NOT_HERE = f"the published files are not here; set {SOURCES_ENV} to a folder laid out like {SOURCES}/"


def clean_rows(name: str, path: Path) -> pl.DataFrame:
    """The clean rows of data set `name`, whose files lie at `path`, after the stages up to split; all rows must be clean."""
    data = composed(f"data={name}")["data"]
    write_params(data | {"source": data["source"] | {"path": str(path)}}, ("validate.max_share=0",))
    run("acquire", "validate", "split")
    return pl.read_parquet("data/clean/**/*.parquet")


def test_the_shop_is_read_as_declared(project):
    rows = clean_rows("shop", EXAMPLES / "shop")
    first = rows.sort("order_id").row(0, named=True)
    assert len(rows) == 2400 and rows["order_id"].n_unique() == 2400
    assert (first["hour"], first["device"], first["basket"], first["visits"], first["bought"]) == (9, "phone", 1234.5, 4, 1)
    assert rows["visits"].null_count() > 100 and 0.1 < rows["bought"].mean() < 0.4


def test_the_mails_find_their_readers_and_their_clicks(project):
    rows = clean_rows("mail", EXAMPLES / "mail")
    clicks = pl.read_csv(EXAMPLES / "mail/clicks.csv")
    assert len(rows) == 2400
    assert set(rows.filter(pl.col("clicked") == 1)["impression"]) == set(clicks["impression"])
    user = rows.filter(userid="u000").row(0, named=True)
    assert (user["region"], user["age"]) == ("west", 40)


def test_the_tables_are_those_that_the_script_writes(tmp_path):
    shutil.copy(EXAMPLES / "make.py", tmp_path)
    runpy.run_path(str(tmp_path / "make.py"), run_name="__main__")
    made = {path.relative_to(tmp_path): path.read_bytes() for path in tmp_path.rglob("*.csv")}
    assert made == {path.relative_to(EXAMPLES): path.read_bytes() for path in EXAMPLES.rglob("*.csv")}


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_files_are_read_as_declared(project, name):
    folder = source_folder(composed(f"data={name}")["data"]["source"]["path"])
    if not folder.is_dir():
        pytest.skip(NOT_HERE)
    rows = clean_rows(name, folder)
    label = "output" if name == "bank_marketing" else "click"
    assert PUBLISHED[name] <= rows[label].mean() < 0.5


def test_declared_sources_are_found_by_the_variable(monkeypatch, tmp_path):
    monkeypatch.setenv(SOURCES_ENV, str(tmp_path))
    assert source_folder("data/sources/bank-marketing") == tmp_path / "bank-marketing"
    assert source_folder("examples/shop") == EXAMPLES / "shop"
    monkeypatch.delenv(SOURCES_ENV)
    assert source_folder("data/sources/bank-marketing") == ROOT / "data/sources/bank-marketing"


def test_no_declaration_points_outside_the_repository():
    for file in (CONF / "data").glob("*.yaml"):
        source = composed(f"data={file.stem}")["data"]["source"]
        path = Path(source.get("path") or ".")
        assert not path.is_absolute() and ".." not in path.parts, file
        assert source["kind"] == "exchange" or path.is_relative_to(SOURCES) or (ROOT / path).is_dir(), file
