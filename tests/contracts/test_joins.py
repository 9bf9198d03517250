"""Joins that real data needs: keys of other names and types, clashing columns, clicks as a log, tables without a header."""

from hashlib import sha256
from pathlib import Path

import pytest
from pydantic import TypeAdapter, ValidationError

from contracts.dataset.declaration import Declaration
from contracts.dataset.source import Join, SourceError
from contracts.tables.contract import contract_of
from contracts.tables.raw import main_columns, read_partition, side_tables, trained_side_tables
from tests.contracts.declared import FEATURE, LABEL, declared

ITEMS = {"files": "items.csv", "key": "item"}
KEY = {"name": "item", "role": "info", "dtype": "int"}
PRICE = {"name": "price", "role": "numeric", "dtype": "float", "nullable": True}
CLICKED = {"name": "clicked", "role": "label", "dtype": "bool"}


def joined(folder: Path, files: dict[str, str], joins: list[dict], *columns: dict, main: str = "rows.csv"):
    """The contract after it has checked the rows, what is clean, and (row, column, rule) of the others."""
    for name, content in files.items():
        (folder / name).write_text(content)
    declaration = declared(*columns, source={"joins": joins})
    tables = side_tables(folder, declaration)
    contract = contract_of(declaration, tables, None)
    chunks = read_partition([folder / main], declaration, main_columns(declaration, tables), frozenset())
    ((clean, rejected),) = [contract.check(chunk) for _, chunk in chunks]
    return contract, clean, [row[:3] for row in rejected.rows()]


def test_keys_meet_as_what_they_are_declared_to_be(tmp_path):
    files = {"rows.csv": "item,c,y\n12.0,a,0\n 7,b,1\n8,c,0\n", "items.csv": "item,price\n12,1.5\n07,2.5\n"}
    contract, clean, rejected = joined(tmp_path, files, [ITEMS], KEY, PRICE, FEATURE, LABEL)
    assert clean.select("item", "price").rows() == [(12, 1.5), (7, 2.5)]
    assert rejected == [(3, "item", "join")] and contract.num_matched == [2]


def test_a_key_that_cannot_be_read_breaks_its_dtype_and_not_the_join(tmp_path):
    files = {"rows.csv": "item,c,y\nnone,a,0\n1,b,1\n", "items.csv": "item,price\n1,1.5\n"}
    _, clean, rejected = joined(tmp_path, files, [ITEMS], KEY, PRICE, FEATURE, LABEL)
    assert rejected == [(1, "item", "dtype")] and clean["price"].to_list() == [1.5]


def test_keys_that_become_the_same_by_their_type_repeat(tmp_path):
    files = {"rows.csv": "item,c,y\n1,a,0\n", "items.csv": "item,price\n1,1.5\n01,2.5\n"}
    with pytest.raises(SourceError, match="items.csv has item='1' more than once"):
        joined(tmp_path, files, [ITEMS], KEY, PRICE, FEATURE, LABEL)


def test_a_side_table_may_have_no_header_and_other_names(tmp_path):
    files = {"rows.csv": "item,c,y\n1,a,0\n", "items.csv": "1,0.5\n2,0.7\n"}
    join = {"files": "items.csv", "key": "item", "format": {"header": False, "names": ["id", "cost"]}}
    join["rename"] = {"id": "item", "cost": "price"}
    _, clean, rejected = joined(tmp_path, files, [join], KEY, PRICE, FEATURE, LABEL)
    assert rejected == [] and clean["price"].to_list() == [0.5]


def test_a_side_table_without_a_header_needs_names():
    with pytest.raises(ValidationError, match=r"'items.csv' has no header; name its columns in format.names"):
        TypeAdapter(Join).validate_python({"files": "items.csv", "key": "item", "format": {"header": False}})


def test_the_label_may_be_the_presence_in_a_log(tmp_path):
    files = {"rows.csv": "item,c\n1,a\n2,b\n3,c\n", "clicks.csv": "item,at\n2,10:00\n2,10:01\n9,10:02\n"}
    join = {"files": "clicks.csv", "key": "item", "matched": "clicked", "leave_out": [{"name": "at", "why": "after it"}]}
    contract, clean, rejected = joined(tmp_path, files, [join], KEY, FEATURE, CLICKED)
    assert rejected == [] and clean["clicked"].to_list() == [0, 1, 0]
    assert contract.num_matched == [1] and contract.unmatched() == {}


def test_a_column_of_matches_is_declared_and_true_or_false():
    join = {"files": "clicks.csv", "key": "item", "matched": "clicked"}
    for column in (CLICKED | {"dtype": "int"}, CLICKED | {"name": "click"}):
        with pytest.raises(ValidationError, match="matched 'clicked' must be among columns with dtype bool"):
            declared(KEY, FEATURE, column, source={"joins": [join]})


def test_joins_follow_one_another(tmp_path):
    files = {
        "rows.csv": "item,c,y\n1,a,0\n",
        "items.csv": "item,maker\n1,m7\n",
        "makers.csv": "id,price\nm7,3.5\n",
    }
    joins = [{"files": "items.csv", "key": "item"}, {"files": "makers.csv", "key": "maker", "rename": {"id": "maker"}}]
    maker = {"name": "maker", "role": "info", "dtype": "string"}
    _, clean, rejected = joined(tmp_path, files, joins, KEY, maker, PRICE, FEATURE, LABEL)
    assert rejected == [] and clean.select("maker", "price").rows() == [("m7", 3.5)]


@pytest.mark.parametrize(
    ("rows", "items", "more", "words"),
    [
        ("item,c,y,price\n1,a,0,2\n", "item,price\n1,1\n", {}, "has the column 'price', and so has a side table; put it in"),
        ("item,c,y\n1,a,0\n", "id,price\n1,1\n", {"rename": {"nr": "item"}}, "lacks the column 'nr' that source.joins names"),
        (
            "item,c,y\n1,a,0\n",
            "id,price\n1,1\n",
            {"rename": {"id": "price"}},
            "has two columns 'price' after source.joins.rename",
        ),
    ],
)
def test_what_cannot_be_joined_is_one_sentence(tmp_path, rows, items, more, words):
    with pytest.raises(SourceError, match=words):
        joined(tmp_path, {"rows.csv": rows, "items.csv": items}, [ITEMS | more], KEY, PRICE, FEATURE, LABEL)


def test_the_name_of_matches_may_not_be_a_column_of_the_side_table(tmp_path):
    files = {"rows.csv": "item,c,y\n1,a,0\n", "items.csv": "item,price\n1,1\n"}
    price = PRICE | {"dtype": "bool", "role": "info", "nullable": False}
    with pytest.raises(SourceError, match="has a column 'price', the name that source.joins.matched gives"):
        joined(tmp_path, files, [ITEMS | {"matched": "price"}], KEY, price, FEATURE, LABEL)


def test_no_match_at_all_is_told_with_a_key_of_each_side(tmp_path):
    files = {"rows.csv": "item,c,y\n1,a,0\n", "items.csv": "item,price\n5,1\n"}
    contract, _, _ = joined(tmp_path, files, [ITEMS | {"optional": True}], KEY, PRICE, FEATURE, LABEL)
    (complaint,) = contract.unmatched().values()
    assert complaint == (
        "no row has a match in the side table 'items.csv': by item the rows have '1', the side table has '5'; "
        "make the two alike, or take the join out"
    )


def test_two_side_tables_with_the_same_column_are_refused_until_one_is_renamed(tmp_path):
    files = {"rows.csv": "item,c,y\n1,a,0\n", "items.csv": "item,price\n1,1\n", "more.csv": "item,price\n1,2\n"}
    joins = [{"files": "items.csv", "key": "item"}, {"files": "more.csv", "key": "item"}]
    with pytest.raises(SourceError, match="'items.csv' and 'more.csv' both have the column 'price'; put it in leave_out of one"):
        joined(tmp_path, files, joins, KEY, PRICE, FEATURE, LABEL)
    joins[1]["rename"] = {"price": "old_price"}
    _, clean, _ = joined(tmp_path, files, joins, KEY, PRICE, PRICE | {"name": "old_price"}, FEATURE, LABEL)
    assert clean.select("price", "old_price").rows() == [(1.0, 2.0)]


def test_a_declaration_with_all_of_it_reads(tmp_path):
    join = {"files": "clicks.csv", "key": "item", "matched": "clicked", "rename": {"id": "item"}}
    declaration = declared(KEY, FEATURE, CLICKED, source={"joins": [join], "order": ["train", "test"]})
    assert isinstance(declaration, Declaration) and declaration.source.joins[0].lenient


@pytest.mark.parametrize("dtype", ["string", "int"])
def test_a_missing_key_has_no_match_in_whatever_way_it_is_missing(tmp_path, dtype):
    key = KEY | {"dtype": dtype, "nullable": True, "missing": ["0"]}
    files = {"rows.csv": "item,c\n,a\n0,b\n1,c\n2,d\n", "clicks.csv": "item,at\n,1\n0,2\n1,3\n"}
    join = {"files": "clicks.csv", "key": "item", "matched": "seen", "leave_out": [{"name": "at", "why": "later"}]}
    seen = {"name": "seen", "role": "info", "dtype": "bool", "nullable": True}
    label = LABEL | {"name": "c", "dtype": "string", "labels": {"a": 0, "b": 0, "c": 1, "d": 1}}
    _, clean, rejected = joined(tmp_path, files, [join], key | {"role": "categorical"}, seen, label)
    assert rejected == [] and clean["seen"].to_list() == [None, None, True, False]


def test_a_label_by_matches_is_not_known_without_a_key(tmp_path):
    files = {"rows.csv": "item,c\n,a\n1,b\n", "clicks.csv": "item\n1\n"}
    join = {"files": "clicks.csv", "key": "item", "matched": "clicked"}
    _, clean, rejected = joined(tmp_path, files, [join], KEY | {"nullable": True}, FEATURE, CLICKED)
    assert clean["clicked"].to_list() == [1] and [row[:2] for row in rejected] == [(1, "clicked")]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("item,price\n1,2\nx,3\n", "items.csv has item='x', which cannot be read as int, the key's dtype"),
        (
            "item;price\n1;2\n",
            "lacks the column 'item' .* has item;price .it seems to be separated by ';'; set the join's format.delimiter",
        ),
    ],
)
def test_a_side_table_that_is_not_as_declared_is_one_sentence(tmp_path, content, words):
    files = {"rows.csv": "item,c,y\n1,a,0\n", "items.csv": content}
    with pytest.raises(SourceError, match=words):
        joined(tmp_path, files, [ITEMS], KEY, PRICE, FEATURE, LABEL)


def test_files_of_a_side_table_are_put_together_by_the_names_of_columns(tmp_path):
    files = {"rows.csv": "item,c,y\n1,a,0\n2,b,1\n", "items-1.csv": "item,price\n1,0.5\n", "items-2.csv": "price,item\n0.7,2\n"}
    join = {"files": "items-*.csv", "key": "item"}
    _, clean, _ = joined(tmp_path, files, [join], KEY, PRICE, FEATURE, LABEL)
    assert clean["price"].to_list() == [0.5, 0.7]
    with pytest.raises(SourceError, match="the files of the join 'items-.*' have not the same columns: cost, price"):
        joined(tmp_path, files | {"items-2.csv": "cost,item\n0.7,2\n"}, [join], KEY, PRICE, FEATURE, LABEL)


def test_a_key_that_comes_from_a_later_join_is_refused(tmp_path):
    files = {"rows.csv": "item,c,y\n1,a,0\n", "items.csv": "item,maker\n1,m\n", "makers.csv": "maker,price\nm,3\n"}
    maker = {"name": "maker", "role": "info", "dtype": "string"}
    joins = [{"files": "makers.csv", "key": "maker"}, {"files": "items.csv", "key": "item"}]
    with pytest.raises(SourceError, match="'maker' of the join 'makers.csv' comes from the join 'items.csv'; put that"):
        joined(tmp_path, files, joins, KEY, maker, PRICE, FEATURE, LABEL)


def test_side_tables_of_the_training_are_known_by_their_content(tmp_path):
    (tmp_path / "items.csv").write_text("item,price\n1,2\n")
    declaration = declared(KEY, PRICE, FEATURE, LABEL, source={"joins": [ITEMS]})
    digest = sha256(b"item,price\n1,2\n").hexdigest()
    (table,) = trained_side_tables(tmp_path, declaration, {"items.csv": digest, "more.csv": "0"})
    assert table.names == ("price",)
    (tmp_path / "items.csv").write_text("item,price\n1,3\n")
    for known in ({"items.csv": digest}, {}):
        with pytest.raises(
            SourceError, match="does not hold the side tables that the model was trained with .items.csv.; run the"
        ):
            trained_side_tables(tmp_path, declaration, known)
    (tmp_path / "items.csv").unlink()
    with pytest.raises(SourceError, match="does not hold the side tables"):
        trained_side_tables(tmp_path, declaration, {"items.csv": digest})
