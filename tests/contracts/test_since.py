"""Columns that only some months have: missing before, required from then on."""

import re
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
from pydantic import ValidationError

from contracts.dataset.partitions import is_before, nearest_partition
from contracts.dataset.places import early_columns
from contracts.dataset.served import as_read
from contracts.dataset.source import MONTH, SourceError
from contracts.serving.request import request_of
from contracts.tables.contract import contract_of
from contracts.tables.raw import main_columns, read_partition, side_tables
from tests.contracts.declared import FEATURE, LABEL, declared

PRICE = {"name": "price", "role": "numeric", "dtype": "float", "since": "2026-05"}


def checked(folder: Path, month: str, content: str, *columns, optional=frozenset(), anywhere=False, **more):
    """Clean rows and rejected ones (row, column, rule) of a month's file."""
    root = folder / month
    root.mkdir(parents=True, exist_ok=True)
    (root / "rows.csv").write_text(content)
    declaration = declared(*columns, **more)
    contract, names = contract_of(declaration, (), None), main_columns(declaration, ())
    chunks = read_partition([root / "rows.csv"], declaration, names, optional, None if anywhere else root)
    parts = [contract.check(chunk) for _, chunk in chunks]
    return pl.concat([clean for clean, _ in parts]), [row[:3] for _, bad in parts for row in bad.rows()]


def test_before_its_month_a_column_may_be_absent_and_from_then_on_not(tmp_path):
    clean, rejected = checked(tmp_path, "2026-04", "c,y\na,0\nb,1\n", FEATURE, PRICE, LABEL)
    assert rejected == [] and clean["price"].to_list() == [None, None] and clean["price"].dtype == pl.Float64
    clean, rejected = checked(tmp_path, "2026-05", "c,price,y\na,1.5,0\nb,,1\n", FEATURE, PRICE, LABEL)
    assert clean["price"].to_list() == [1.5] and rejected == [(2, "price", "not_null")]
    with pytest.raises(SourceError, match="lacks the declared column 'price'"):
        checked(tmp_path, "2026-05", "c,y\na,0\n", FEATURE, PRICE, LABEL)


def test_an_early_file_that_has_the_column_is_read_and_checked(tmp_path):
    columns = (FEATURE, PRICE | {"min": 0}, LABEL)
    clean, rejected = checked(tmp_path, "2026-04", "price,c,y\n,a,0\n2,b,1\n-1,c,0\n", *columns)
    assert clean["price"].to_list() == [None, 2.0] and rejected == [(3, "price", "min")]


def test_what_is_computed_from_such_a_time_is_missing_too(tmp_path):
    seen = {"name": "seen", "role": "info", "dtype": "datetime", "since": "2026-05"}
    hour = {"name": "hour", "role": "categorical", "dtype": "int", "derive_from": "seen", "part": "hour"}
    clean, rejected = checked(tmp_path, "2026-04", "c,y\na,0\n", FEATURE, seen, hour, LABEL)
    assert rejected == [] and clean.select("seen", "hour").rows() == [(None, None)]
    clean, _ = checked(tmp_path, "2026-05", "c,y,seen\na,0,2026-05-01T07:00\n", FEATURE, seen, hour, LABEL)
    assert clean["hour"].to_list() == [7]


def test_files_without_a_header_have_fewer_columns_before(tmp_path):
    source = {"format": {"header": False}}
    clean, rejected = checked(tmp_path, "2026-04", "a,0\nb,1,1\n", FEATURE, PRICE, LABEL, source=source)
    assert clean.select("c", "price", "y").rows() == [("a", None, 0)] and rejected == [(2, "", "columns")]
    clean, _ = checked(tmp_path, "2026-05", "a,0.5,0\n", FEATURE, PRICE, LABEL, source=source)
    assert clean.select("c", "price", "y").rows() == [("a", 0.5, 0)]


def test_rows_to_score_need_neither_the_label_nor_a_later_column(tmp_path):
    (tmp_path / "2026-04.csv").write_text("a\nb\n")
    declaration = declared(FEATURE, PRICE, LABEL, source={"format": {"header": False}})
    contract = contract_of(declaration, (), None, labelled=False)
    ((_, chunk),) = read_partition([tmp_path / "2026-04.csv"], declaration, main_columns(declaration, ()), frozenset({"y"}))
    assert contract.check(chunk)[0].select("c", "price").rows() == [("a", None), ("b", None)]


@pytest.mark.parametrize("rows", [2, 800])  # cells, and values that repeat
def test_one_contract_asks_each_month_of_rows_to_score_by_its_own_rules(tmp_path, rows):
    (tmp_path / "2026-04.csv").write_text("c\n" + "a\n" * rows)
    (tmp_path / "2026-05.csv").write_text("c,price\n" + "a,\n" * rows)
    declaration = declared(FEATURE, PRICE, LABEL)
    contract, files = contract_of(declaration, (), None, labelled=False), sorted(tmp_path.iterdir())
    chunks = read_partition([*files, files[0]], declaration, main_columns(declaration, ()), frozenset({"y"}))
    counted = [(len(clean), bad["rule"].unique().to_list()) for clean, bad in (contract.check(chunk) for _, chunk in chunks)]
    assert counted == [(rows, []), (0, ["not_null"]), (rows, [])]


def test_a_file_anywhere_has_the_month_nearest_to_it(tmp_path):
    declaration = declared(FEATURE, PRICE, LABEL)
    assert early_columns(tmp_path / "2026-06/2026-04/rows.csv", declaration, None) == {"price"}
    assert early_columns(tmp_path / "2026-04/2026-06-rows.csv", declaration, None) == frozenset()
    assert early_columns(Path("/data/rows.csv"), declaration, None) == frozenset()  # as new as can be
    hive = declared(FEATURE, PRICE, LABEL, source={"partition": r"year=(\d+)/month=(\d+)"})
    assert early_columns(Path("/data/year=2026/month=04/part.parquet"), hive, None) == {"price"}
    assert nearest_partition(Path("/2026-01/a/2026-02/x.csv"), re.compile(MONTH)) == "2026-02"


def test_which_partition_is_first():
    assert is_before("2026-04", "2026-05") and not is_before("2026-05", "2026-05") and not is_before("2026-05-01", "2026-05")
    assert is_before("day_2", "day_10") and not is_before("day_10", "day_2")
    assert is_before("train", "test", ("train", "test")) and not is_before("test", "train", ("train", "test"))
    for partition in ("all", "202405", "2026"):
        with pytest.raises(SourceError, match=f"whether partition '{partition}' is before since: 2026-05"):
            is_before(partition, "2026-05")


@pytest.mark.parametrize(
    ("columns", "source", "words"),
    [
        ((FEATURE, LABEL | {"since": "2026-05"}), {}, "role label is needed in every month"),
        ((FEATURE, LABEL, PRICE | {"role": "key"}), {}, "role key is needed in every month"),
        ((FEATURE, LABEL, PRICE | {"since": ""}), {}, "since names the first month"),
        ((FEATURE, LABEL, PRICE), {"order": ["train", "test"]}, "since '2026-05' is no partition of source.order"),
    ],
)
def test_a_since_that_makes_no_sense_is_refused(columns, source, words):
    with pytest.raises(ValidationError, match=words):
        declared(*columns, source=source)


def test_a_column_of_a_side_table_has_no_since(tmp_path):
    (tmp_path / "items.csv").write_text("c,price\na,1\n")
    declaration = declared(FEATURE, PRICE, LABEL, source={"joins": [{"files": "items.csv", "key": "c"}]})
    with pytest.raises(SourceError, match="column 'price' has since, and comes from a side table"):
        main_columns(declaration, side_tables(tmp_path, declaration))


def test_served_months_keep_it_and_requests_do_not_change():
    plain, late = (declared(FEATURE, PRICE | {"since": since}, LABEL) for since in (None, "2026-05"))
    assert plain.digest == late.digest
    assert as_read(served(late)).column("price").since == "2026-05"
    other = as_read(served(declared(FEATURE, PRICE | {"since": "day_3"}, LABEL))).column("price")
    assert other.since is None and other.nullable


def served(declaration):
    return replace(declaration, source=replace(declaration.source, kind="served", served="served_labels"))


def test_callers_send_the_column_without_its_month():
    request = request_of(declared(FEATURE, PRICE, LABEL))
    assert [(column.name, column.since) for column in request.columns] == [("c", None), ("price", None)]
