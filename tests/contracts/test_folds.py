"""Side tables with several rows for a key: a set of their values, or how many they are; and lists in side tables."""

import json

import polars as pl
import pytest
from pydantic import ValidationError

from contracts.dataset.source import SourceError
from tests.contracts.declared import FEATURE, LABEL, declared
from tests.contracts.test_joins import CLICKED, KEY, joined

GENRES = {"files": "genres.csv", "key": "item", "fold": {"genre": "set"}}
GENRE = {"name": "genre", "role": "set", "dtype": "string", "longest": 3, "pattern": "[a-z]+"}
BOUGHT = {"files": "bought.csv", "key": "item", "optional": True, "fold": {"times": "count"}}
TIMES = {"name": "times", "role": "numeric", "dtype": "int"}
SLOTS = ["genre[0]", "genre[1]", "genre[2]"]
ROWS = "item,c,y\n12.0,a,0\n 7,b,1\n8,c,0\n12,d,1\n"


def test_rows_of_a_key_become_a_set(tmp_path):
    genres = "item,genre\n12,war\n7,art\n012,art\n12,war\n12,\n9,sea\n12,zoo\n12,jazz\n"
    contract, clean, rejected = joined(tmp_path, {"rows.csv": ROWS, "genres.csv": genres}, [GENRES], KEY, GENRE, FEATURE, LABEL)
    assert clean.select("item", *SLOTS).rows() == [
        (12, "art", "jazz", "war"), (7, "art", None, None), (12, "art", "jazz", "war"),
    ]  # fmt: skip
    assert rejected == [(3, "item", "join")] and contract.num_matched == [3]


def test_a_row_without_any_has_an_empty_set_and_the_number_0(tmp_path):
    files = {"rows.csv": ROWS + ",e,0\n", "genres.csv": "item,genre\n12,war\n", "bought.csv": "item\n12\n12\n7\n12\n"}
    key, genre, times = KEY | {"nullable": True}, GENRE | {"nullable": True}, TIMES | {"nullable": True}
    joins = [GENRES | {"optional": True}, BOUGHT]
    contract, clean, rejected = joined(tmp_path, files, joins, key, genre, times, FEATURE, LABEL)
    assert clean.select("item", "genre[0]", "times").rows() == [
        (12, "war", 3), (7, None, 1), (8, None, 0), (12, "war", 3), (None, None, None),
    ]  # fmt: skip
    assert rejected == [] and contract.num_matched == [2, 3]
    _, clean, rejected = joined(tmp_path, files, joins, key, GENRE, TIMES, FEATURE, LABEL)
    assert rejected == [(5, "times", "not_null")]  # the key is missing: nobody knows; an empty set is none that is missing
    assert clean["times"].to_list() == [3, 1, 0, 3]


def test_a_value_that_breaks_a_rule_rejects_the_rows_that_get_it(tmp_path):
    for name, content in {"rows.csv": ROWS, "genres.csv": "item,genre\n12,war\n12,W2\n7,art\n8,art\n"}.items():
        (tmp_path / name).write_text(content)
    _, clean, rejected = joined(tmp_path, {}, [GENRES], KEY, GENRE, FEATURE, LABEL)
    assert clean["item"].to_list() == [7, 8]
    assert rejected == [(1, "genre", "pattern"), (4, "genre", "pattern")]


def test_numbers_in_a_set_are_read_as_the_side_tables_format_says(tmp_path):
    genres = "item;genre\n12;1.000\n12;7\n7;7\n8;x\n"
    join = GENRES | {"format": {"delimiter": ";", "decimal": ",", "thousands": "."}}
    genre = {"name": "genre", "role": "set", "dtype": "int", "longest": 2}
    _, clean, rejected = joined(tmp_path, {"rows.csv": ROWS, "genres.csv": genres}, [join], KEY, genre, FEATURE, LABEL)
    assert clean.select("genre[0]", "genre[1]").rows() == [(7, 1000), (7, None), (7, 1000)]
    assert rejected == [(3, "genre", "dtype")]


def test_several_sets_a_count_and_matches_come_from_one_table_by_several_keys_and_several_files(tmp_path):
    files = {
        "rows.csv": "item,c\n1,a\n2,a\n1,b\n",
        "seen-1.csv": "id,c,tag,style\n1,a,x,new\n1,a,y,old\n",
        "seen-2.csv": "style,id,c,tag\nnew,1,a,x\nnew,1,b,\n",
    }
    join = {
        "files": "seen-*.csv", "on": ["item", "c"], "rename": {"id": "item", "tag": "genre"}, "matched": "clicked",
        "fold": {"genre": "set", "times": "count", "style": "set"},
    }  # fmt: skip
    style = GENRE | {"name": "style"}
    _, clean, rejected = joined(tmp_path, files, [join], KEY, GENRE, style, TIMES, FEATURE, CLICKED)
    assert clean.select("genre[0]", "genre[1]", "style[0]", "style[1]", "times", "clicked").rows() == [
        ("x", "y", "new", "old", 3, 1), (None, None, None, None, 0, 0), (None, None, "new", None, 1, 1),
    ]  # fmt: skip
    assert rejected == []


@pytest.mark.parametrize("kind", [pl.String, pl.Float64, pl.Int32])
def test_a_parquet_side_table_is_folded_too(tmp_path, kind):
    values = pl.Series("genre", ["2", "1", None]).cast(kind)
    pl.DataFrame([pl.Series("item", [12, 12, 7]), values]).write_parquet(tmp_path / "genres.parquet")
    genre = {"name": "genre", "role": "set", "dtype": "int", "longest": 3}
    join = GENRES | {"files": "genres.parquet"}
    _, clean, rejected = joined(tmp_path, {"rows.csv": ROWS}, [join], KEY, genre, FEATURE, LABEL)
    assert clean.select(SLOTS).rows() == [(1, 2, None), (None, None, None), (1, 2, None)]
    assert rejected == [(3, "item", "join")]


@pytest.mark.parametrize("kind", ["parquet", "fixed", "jsonl", "floats"])
def test_lists_stand_in_a_side_table_as_they_do_elsewhere(tmp_path, kind):
    lists = {"parquet": [["2", "1"], [], ["3"]], "fixed": [[2, 1], [3, 3], [3, 4]], "floats": [[2.0, 1.0], [3.0], [4.0]]}
    if kind == "jsonl":
        lines = [{"item": 12, "tags": [2, "1", None]}, {"item": 7, "tags": [3]}, {"item": 8, "tags": None}]
        (tmp_path / "items.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
        expected = [(1, 2), (3, None), (None, None), (1, 2)]
    else:
        cells = pl.Series("tags", lists[kind], dtype=pl.Array(pl.Int64, 2) if kind == "fixed" else None)
        pl.DataFrame([pl.Series("item", [12, 7, 8]), cells]).write_parquet(tmp_path / "items.parquet")
        expected = {
            "parquet": [(1, 2), (None, None), (3, None), (1, 2)], "fixed": [(1, 2), (3, None), (3, 4), (1, 2)],
            "floats": [(1, 2), (3, None), (4, None), (1, 2)],
        }[kind]  # fmt: skip
    join = {"files": "items.jsonl" if kind == "jsonl" else "items.parquet", "key": "item", "rename": {"tags": "genre"}}
    genre = {"name": "genre", "role": "set", "dtype": "int", "longest": 2, "nullable": True}
    _, clean, rejected = joined(tmp_path, {"rows.csv": ROWS}, [join], KEY, genre, FEATURE, LABEL)
    assert clean.select("genre[0]", "genre[1]").rows() == expected and rejected == []


def test_a_list_in_a_side_table_that_no_set_is_declared_for_is_refused(tmp_path):
    pl.DataFrame({"item": [1], "genre": [["a"]]}).write_parquet(tmp_path / "genres.parquet")
    for fold, words in (({}, "holds List.*which no dtype takes"), ({"genre": "set"}, "holds lists already")):
        genre = GENRE if fold else {"name": "genre", "role": "info", "dtype": "string"}
        join = {"files": "genres.parquet", "key": "item", "fold": fold}
        with pytest.raises(SourceError, match=words):
            joined(tmp_path, {"rows.csv": ROWS}, [join], KEY, genre, FEATURE, LABEL)


@pytest.mark.parametrize(
    ("content", "fold", "words"),
    [
        ("item,kind\n1,a\n", {"genre": "set"}, "lacks the column 'genre' that source.joins folds into a set; it has kind"),
        ("item,genre,more\n1,a,b\n", {"genre": "set"}, "has the column 'more'.*add it to the join's fold as a set, or to its"),
        (
            "item,genre,times\n1,a,3\n",
            {"genre": "set", "times": "count"},
            "has a column 'times', the name that source.joins.fold",
        ),
    ],
)
def test_a_table_that_does_not_fit_its_fold_is_one_sentence(tmp_path, content, fold, words):
    files = {"rows.csv": ROWS, "genres.csv": content}
    columns = [KEY, GENRE, *([TIMES] if "times" in fold else []), FEATURE, LABEL]
    with pytest.raises(SourceError, match=words):
        joined(tmp_path, files, [GENRES | {"fold": fold}], *columns)


@pytest.mark.parametrize(
    ("fold", "column", "words"),
    [
        (
            {"genre": "set"},
            {"name": "genre", "role": "categorical", "dtype": "string"},
            "role set and no delimiter, got role cat",
        ),
        ({"genre": "set"}, GENRE | {"delimiter": "|"}, r"role set and no delimiter, got delimiter '\|'"),
        ({"genre": "set"}, GENRE | {"role": "sequence"}, "role set and no delimiter, got role sequence"),
        ({"genre": "count"}, GENRE, "counts its rows in 'genre', which needs dtype int"),
        ({"genre": "count"}, {"name": "genre", "role": "numeric", "dtype": "float"}, "needs dtype int.*of dtype float"),
        ({"kind": "set"}, GENRE, "folds 'kind', which is not among columns"),
        ({"item": "set"}, GENRE, "folds 'item', which is a key of the same join"),
        ({"genre": "sum"}, GENRE, "Input should be 'set' or 'count'"),
    ],
)
def test_a_fold_that_does_not_fit_its_column_is_refused_before_anything_runs(fold, column, words):
    with pytest.raises(ValidationError, match=words):
        declared(KEY, column, FEATURE, LABEL, source={"joins": [GENRES | {"fold": fold}]})


def test_a_key_that_repeats_is_refused_with_the_way_to_fold_it(tmp_path):
    files = {"rows.csv": ROWS, "genres.csv": "item,genre\n1,a\n1,b\n"}
    genre = {"name": "genre", "role": "categorical", "dtype": "string"}
    with pytest.raises(SourceError, match="item='1' more than once.*unless the join's fold says"):
        joined(tmp_path, files, [{"files": "genres.csv", "key": "item"}], KEY, genre, FEATURE, LABEL)
