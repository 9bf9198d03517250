"""Values in the names of folders, as Hive and Spark write them: `site=3/day=2026-05-01/part.parquet`."""

from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest
from pydantic import ValidationError

from contracts.dataset.served import as_read
from contracts.dataset.source import SourceError
from contracts.serving.request import request_of
from contracts.tables.chunk import ROW
from contracts.tables.contract import contract_of
from contracts.tables.raw import main_columns, read_partition, side_tables
from tests.contracts.declared import FEATURE, LABEL, declared

SITE = {"name": "site", "role": "categorical", "dtype": "int", "folder": "site"}
DAY = {"name": "t", "role": "time", "dtype": "datetime", "folder": "day"}
TEXT = {"name": "shop", "role": "categorical", "dtype": "string", "nullable": True, "folder": "site"}


def checked(root: Path, name: str, content: str | pl.DataFrame, *columns, inside=True, optional=frozenset(), **more):
    """Clean rows and rejected ones (row, column, rule, value) of a file below the partition's folder."""
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(content, pl.DataFrame):
        content.write_parquet(path)
    else:
        path.write_text(content)
    declaration = declared(*columns, **more)
    tables = side_tables(root, declaration)
    contract, names = contract_of(declaration, tables, None, labelled="y" not in optional), main_columns(declaration, tables)
    parts = [contract.check(chunk) for _, chunk in read_partition([path], declaration, names, optional, root if inside else None)]
    return pl.concat([clean for clean, _ in parts]), [row[:4] for _, bad in parts for row in bad.rows()]


def test_values_come_from_the_path_typed_as_declared(tmp_path):
    name = "site=3/day=2026-05-01/part.parquet"
    hour = {"name": "weekday", "role": "categorical", "dtype": "int", "derive_from": "t", "part": "weekday"}
    rows = pl.DataFrame({"c": ["a", "b"], "y": [0, 1]})
    clean, rejected = checked(tmp_path, name, rows, SITE, DAY, hour, FEATURE, LABEL)
    assert rejected == []
    may_day = datetime(2026, 5, 1, tzinfo=UTC)
    assert clean.rows() == [(3, may_day, 5, "a", 0, 1), (3, may_day, 5, "b", 1, 2)]
    assert clean.columns == ["site", "t", "weekday", "c", "y", ROW]


@pytest.mark.parametrize(
    ("folder", "value"), [("a%2Fb%20c", "a/b c"), ("a=b", "a=b"), ("M%C3%BCnchen", "München"), ("a+b", "a+b")]
)
def test_values_are_decoded(tmp_path, folder, value):
    clean, rejected = checked(tmp_path, f"site={folder}/rows.csv", "c,y\na,0\n", TEXT, FEATURE, LABEL)
    assert rejected == [] and clean["shop"].to_list() == [value]


@pytest.mark.parametrize("folder", ["__HIVE_DEFAULT_PARTITION__", ""])
def test_a_missing_value_is_missing(tmp_path, folder):
    clean, rejected = checked(tmp_path, f"site={folder}/rows.csv", "c,y\na,0\n", TEXT, FEATURE, LABEL)
    assert rejected == [] and clean["shop"].to_list() == [None]
    _, rejected = checked(tmp_path, f"site={folder}/rows.csv", "c,y\na,0\nb,1\n", SITE, FEATURE, LABEL)
    assert rejected == [(1, "site", "not_null", None), (2, "site", "not_null", None)]


def test_a_value_that_breaks_a_rule_rejects_every_row_of_the_file(tmp_path):
    repeated = "".join(f"{'ab'[i % 2]},{i % 2}\n" for i in range(40))  # read as distinct values
    _, rejected = checked(tmp_path, "site=3x/rows.csv", "c,y\n" + repeated, SITE, FEATURE, LABEL)
    assert rejected == [(i + 1, "site", "dtype", "3x") for i in range(40)]
    _, rejected = checked(tmp_path, "site=9/rows.csv", "c,y\na,0\n", SITE | {"values": [1, 2]}, FEATURE, LABEL)
    assert rejected == [(1, "site", "values", "9")]


def test_a_side_table_may_be_joined_by_it(tmp_path):
    (tmp_path / "sites.csv").write_text("site,size\n03,7\n")
    size = {"name": "size", "role": "numeric", "dtype": "int"}
    source = {"joins": [{"files": "sites.csv", "key": "site"}]}
    clean, rejected = checked(tmp_path, "site=3/rows.csv", "c,y\na,0\n", SITE, size, FEATURE, LABEL, source=source)
    assert rejected == [] and clean["size"].to_list() == [7]


def test_the_label_may_be_a_folder_and_is_not_needed_to_score(tmp_path):
    label = LABEL | {"folder": "clicked"}
    clean, _ = checked(tmp_path, "clicked=1/rows.csv", "c\na\nb\n", FEATURE, label)
    assert clean["y"].to_list() == [1, 1]
    clean, _ = checked(tmp_path, "rows.csv", "c\na\n", FEATURE, label, optional=frozenset({"y"}))
    assert clean["c"].to_list() == ["a"]


def test_only_folders_below_the_partition_count_and_elsewhere_all(tmp_path):
    outer = tmp_path / "site=7"
    with pytest.raises(SourceError, match="lies in no folder 'site=...', from which column 'site' has its value"):
        checked(outer, "rows.csv", "c,y\na,0\n", SITE, FEATURE, LABEL)
    clean, _ = checked(outer, "rows.csv", "c,y\na,0\n", SITE, FEATURE, LABEL, inside=False)
    assert clean["site"].to_list() == [7]


@pytest.mark.parametrize(
    ("name", "content", "more", "words"),
    [
        ("site=3/rows.csv", "c,site,y\na,3,0\n", {}, "has the column 'site', and so has a folder in its path"),
        ("site=3/rows.csv", "c,y\na,0\n", {"source": {"rename": {"x": "site"}}}, "no column that is read is declared so"),
        ("site=3/site=4/rows.csv", "c,y\na,0\n", {}, "lies in two folders 'site=', from which column 'site'"),
        ("site=%ff/rows.csv", "c,y\na,0\n", {}, "the folder 'site=%ff' has bytes after % that are no UTF-8"),
        (
            "site=3/rows.csv", "a,3,0\n", {"source": {"format": {"header": False, "names": ["c", "site", "y"]}}},
            "source.format.names has 'site', and so has a folder",
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_told_is_refused(tmp_path, name, content, more, words):
    with pytest.raises((SourceError, ValidationError), match=words):
        checked(tmp_path, name, content, SITE, FEATURE, LABEL, **more)


def test_a_side_table_must_not_bring_the_column(tmp_path):
    (tmp_path / "sites.csv").write_text("c,site\na,3\n")
    with pytest.raises(SourceError, match="a side table has the column 'site', and so has a folder"):
        checked(
            tmp_path,
            "site=3/rows.csv",
            "c,y\na,0\n",
            SITE,
            FEATURE,
            LABEL,
            source={"joins": [{"files": "sites.csv", "key": "c"}]},
        )


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"role": "key"}, "all rows of a file have the value of its folder, so it is no key"),
        ({"role": "entity"}, "so it is no entity"),
        ({"unique": True}, "so it is no unique one"),
        ({"since": "2026-05"}, "so it has no since"),
        ({"derive_from": "t", "part": "hour"}, "comes from a folder's name or is computed, not both"),
        ({"folder": "site="}, "folder is the name before the '='"),
        ({"folder": ""}, "folder is the name before the '='"),
    ],
)
def test_a_folder_that_makes_no_sense_is_refused(change, words):
    with pytest.raises(ValidationError, match=words):
        declared(FEATURE, LABEL, SITE | change)


def test_requests_and_served_months_have_the_column_itself():
    declaration = declared(SITE, FEATURE, LABEL, source={"kind": "served", "served": "there"})
    assert as_read(declaration).column("site").folder is None
    assert [column.folder for column in request_of(declaration).columns] == [None, None]
    assert declaration.digest == declared(SITE | {"folder": None}, FEATURE, LABEL).digest
