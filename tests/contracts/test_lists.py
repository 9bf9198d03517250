"""Rows that hold a list of impressions with a label each: what is declared, what is read, what is refused."""

import re
from datetime import datetime
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import yaml
from pydantic import TypeAdapter

from contracts.dataset.declaration import Declaration
from contracts.dataset.served import as_read
from contracts.dataset.source import SourceError
from contracts.tables.chunk import ROW
from contracts.tables.contract import contract_of
from contracts.tables.raw import main_columns, read_partition, side_tables
from tests.contracts.declared import check_file, check_text, declared

PAGE = (Path(__file__).parents[2] / "docs/add-a-data-set.md").read_text(encoding="utf-8")
VIEW = {"name": "view", "role": "key", "dtype": "int"}
NEWS = {"name": "news", "role": "categorical", "dtype": "string"}
PLACE = {"name": "place", "role": "info", "dtype": "int"}
LABEL = {"name": "y", "role": "label", "dtype": "int"}
COLUMNS = (VIEW, NEWS, PLACE, LABEL)
LISTS = {"column": "shown", "item": "news", "position": "place"}


def test_each_impression_becomes_a_row(tmp_path):
    clean, rejected = check_text(tmp_path, "view,shown\n7,N1-0 N2-1\n8,  N3-1\n9,N1-0  N3-0 N2-0 \n", *COLUMNS, unfold=LISTS)
    assert rejected == []
    assert clean.rows() == [
        (7, "N1", 1, 0, 1),
        (7, "N2", 2, 1, 1),
        (8, "N3", 1, 1, 2),
        (9, "N1", 1, 0, 3),
        (9, "N3", 2, 0, 3),
        (9, "N2", 3, 0, 3),
    ]


def test_what_is_broken_names_the_row_of_the_file_and_what_stood_there(tmp_path):
    content = "view,shown\n1,N1-0 N2 N3-1\n2,\n3,N1-2\n4,-1 N1-\n5,N-1-0\n6,N1-1,N2-0\n1,N4-0 N5-1\nx,N1-0 N2-1\n8,N9-1\n"
    clean, rejected = check_text(tmp_path, content, *COLUMNS, unfold=LISTS)
    assert clean.rows() == [(1, "N1", 1, 0, 1), (1, "N3", 3, 1, 1), (8, "N9", 1, 1, 9)]
    assert [row[:4] for row in rejected] == [
        (1, "shown", "list", "N2"),
        (2, "shown", "list", ""),
        (3, "y", "label", "2"),
        (4, "shown", "list", "-1"),
        (4, "shown", "list", "N1-"),
        (5, "shown", "list", "N-1-0"),
        (6, "", "columns", "6,N1-1,N2-0"),
        (7, "view", "unique", "1"),
        (7, "view", "unique", "1"),
        (8, "view", "dtype", "x"),
        (8, "view", "dtype", "x"),
    ]


def test_cells_that_cannot_be_decoded_break_their_row(tmp_path):
    columns = (*COLUMNS, {"name": "site", "role": "categorical", "dtype": "string", "nullable": True})
    content = b"view,site,shown\n1,a,N1-0 N2-1\n2,\xff,N1-0 N2-1\n3,c,N\xff-1\n4,d,N5-1\n"
    clean, rejected = check_text(tmp_path, content, *columns, unfold=LISTS)
    assert clean["view"].to_list() == [1, 1, 2, 4] and clean[ROW].to_list() == [1, 1, 2, 4]
    assert [row[:3] for row in rejected] == [(2, "site", "encoding"), (3, "shown", "encoding")]


def written(rows: list[list[tuple[int, int]]], between: str, mark: str) -> list[str]:
    return [between.join(f"N{item}{mark}{label}" for item, label in one) for one in rows]


@pytest.mark.parametrize(("between", "mark"), [(" ", "-"), ("|", ":"), (";;", "=>"), (".", "*"), (",", " ")])
@pytest.mark.parametrize("kind", ["text", "parquet", "list"])
def test_any_lists_come_back(tmp_path, kind, between, mark):
    """Property: what was written is what is read, whatever the marks and however long the lists are."""
    rng = np.random.default_rng([len(between), ord(mark[0])])
    lengths = rng.integers(1, 30, 500)
    rows = [[(int(rng.integers(0, 50)), int(rng.random() < 0.2)) for _ in range(length)] for length in lengths]
    cells = written(rows, between, mark)
    table = pl.DataFrame({"view": np.arange(500), "shown": cells})
    if kind == "list":
        table = table.with_columns(pl.col("shown").str.split(between))
    path = tmp_path / ("rows.csv" if kind == "text" else "rows.parquet")
    table.write_csv(path) if kind == "text" else table.write_parquet(path)
    clean, rejected = check_file(path, declared(*COLUMNS, unfold={**LISTS, "between": between, "before_label": mark}))
    expected = [(i, f"N{item}", j + 1, y, i + 1) for i, one in enumerate(rows) for j, (item, y) in enumerate(one)]
    assert rejected == [] and clean.rows() == expected


def test_lists_that_repeat_and_files_in_pieces_are_read_alike(tmp_path):
    """A list that most rows have is read once, as a place in a dictionary."""
    cells = ["N1-0 N2-1", "N3-1"] * 60_000
    table = pl.DataFrame({"view": np.arange(len(cells)), "shown": cells})
    table.write_csv(tmp_path / "rows.csv")
    table.write_parquet(tmp_path / "rows.parquet")
    found = [check_file(tmp_path / name, declared(*COLUMNS, unfold=LISTS))[0] for name in ("rows.csv", "rows.parquet")]
    assert found[0].equals(found[1]) and len(found[0]) == 180_000
    assert found[0].tail(3).rows() == [
        (119_998, "N1", 1, 0, 119_999),
        (119_998, "N2", 2, 1, 119_999),
        (119_999, "N3", 1, 1, 120_000),
    ]


def test_to_be_scored_impressions_need_no_label(tmp_path):
    path = tmp_path / "rows.csv"
    path.write_text("view,shown\n1,N1 N2\n2,N1-0 N3-1\n3,\n4,N-1-0\n")
    declaration = declared(*COLUMNS, unfold=LISTS)
    contract = contract_of(declaration, (), None, labelled=False)
    ((_, chunk),) = read_partition([path], declaration, main_columns(declaration, ()), declaration.optional_to_score)
    clean, rejected = contract.check(chunk)
    assert len(chunk) == 6
    assert clean.rows() == [(1, "N1", 1, 1), (1, "N2", 2, 1), (2, "N1", 1, 2), (2, "N3", 2, 2)]
    assert [row[:4] for row in rejected.rows()] == [(3, "shown", "list", ""), (4, "shown", "list", "N-1-0")]


def test_side_tables_join_by_what_was_shown(tmp_path):
    (tmp_path / "news.csv").write_text("news,topic\nN1,sport\nN2,film\n")
    (tmp_path / "rows.csv").write_text("view,shown\n1,N1-0 N2-1 N4-0\n")
    topic = {"name": "topic", "role": "categorical", "dtype": "string", "nullable": True}
    source = {"files": ["rows.csv"], "joins": [{"files": "news.csv", "key": "news"}]}
    declaration = declared(*COLUMNS, topic, unfold=LISTS, source=source)
    clean, rejected = check_file(tmp_path / "rows.csv", declaration, side_tables(tmp_path, declaration))
    assert clean.drop(ROW).rows() == [(1, "N1", 1, 0, "sport"), (1, "N2", 2, 1, "film")]
    assert [row[:4] for row in rejected] == [(1, "news", "join", "N4")]


def test_files_without_a_header_have_the_list_in_place_of_the_item(tmp_path):
    source = {"format": {"header": False}}
    clean, _ = check_text(tmp_path, "7,N1-0 N2-1\n", *COLUMNS, unfold=LISTS, source=source)
    assert clean.drop(ROW).rows() == [(7, "N1", 1, 0), (7, "N2", 2, 1)]


def test_the_list_may_be_renamed(tmp_path):
    clean, _ = check_text(
        tmp_path, "view,Impressions\n7,N1-0\n", *COLUMNS, unfold=LISTS, source={"rename": {"Impressions": "shown"}}
    )
    assert clean.drop(ROW).rows() == [(7, "N1", 1, 0)]


def test_a_file_that_cannot_be_right_is_refused(tmp_path):
    with pytest.raises(SourceError, match="lacks the declared column 'shown'"):
        check_text(tmp_path, "view,news,place,y\n1,N1,1,0\n", *COLUMNS, unfold=LISTS)
    pl.DataFrame({"view": [1], "shown": [[1, 2]]}).write_parquet(tmp_path / "rows.parquet")
    with pytest.raises(
        SourceError, match=r"column 'shown' holds List\(Int64\), and lists of impressions are texts or lists of texts"
    ):
        check_file(tmp_path / "rows.parquet", declared(*COLUMNS, unfold=LISTS))


VIEWS, CLICKS = ({"name": name, "role": name, "dtype": "int"} for name in ("impressions", "clicks"))
WRONG = {
    "no such item": (COLUMNS, {"item": "x"}, "unfold.item is 'x', and no column that is read is declared so"),
    "no such position": (COLUMNS, {"position": "x"}, "unfold.position is 'x', and no column"),
    "the list is a column": (COLUMNS, {"column": "view"}, "unfold takes column 'view' apart; declare it neither"),
    "item is a key": ([{**VIEW, "dtype": "string"}, NEWS, PLACE, LABEL], {"item": "view"}, "unfold.item 'view' must have role"),
    "position is a text": ([NEWS, {**PLACE, "dtype": "string"}, LABEL], {}, "unfold.position 'place' must have role"),
    "marks alike": (COLUMNS, {"between": "-"}, "unfold cannot tell impressions from labels"),
    "no mark": (COLUMNS, {"before_label": ""}, "a mark of unfold needs a character at least"),
    "counts": ([NEWS, PLACE, VIEWS, CLICKS], {}, "so a column needs role label, not counts"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_declaration_that_cannot_be_right_is_refused(name):
    columns, changes, why = WRONG[name]
    with pytest.raises(ValueError, match=re.escape(why)):
        declared(*columns, unfold=LISTS | changes)


def test_served_rows_are_impressions_already():
    declaration = declared(*COLUMNS, unfold=LISTS, source={"kind": "served", "served": "labels"})
    read = as_read(declaration)
    assert read.unfold is None and read.key is None and read.made_of_lists == ()
    assert read.column("view").nullable and read.column("place").nullable


def test_the_example_of_the_page_says_what_the_page_says(tmp_path):
    part = PAGE.partition("## Rows that hold a list of impressions")[2]
    values, content = (re.search(rf"```{kind}\n(.*?)```", part, re.DOTALL)[1] for kind in ("yaml", "tsv"))
    declaration = TypeAdapter(Declaration).validate_python(yaml.safe_load(values))
    path = tmp_path / "2019-11.tsv"
    path.write_text(content)
    clean, rejected = check_file(path, declaration)
    assert rejected == []
    assert clean.drop(ROW, "time").rows() == [
        (1, "U13740", "N55689", 1, 1),
        (1, "U13740", "N35729", 2, 0),
        (2, "U91836", "N20678", 1, 0),
        (2, "U91836", "N39317", 2, 0),
        (2, "U91836", "N58114", 3, 1),
    ]
    assert clean["time"][0].replace(tzinfo=None) == datetime(2019, 11, 11, 9, 5, 58)
