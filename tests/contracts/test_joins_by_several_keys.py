"""Side tables that several columns together name a row of."""

import pytest
from pydantic import ValidationError

from contracts.dataset.source import SourceError
from tests.contracts.declared import FEATURE, LABEL, declared
from tests.contracts.test_joins import joined

OWNER = {"name": "owner", "role": "info", "dtype": "int", "nullable": True}
MONTH = {"name": "month", "role": "info", "dtype": "string", "nullable": True}
BUDGET = {"name": "budget", "role": "numeric", "dtype": "float", "nullable": True}
COLUMNS = (OWNER, MONTH, BUDGET, FEATURE, LABEL)
JOIN = {"files": "budgets.csv", "on": ["owner", "month"]}
TABLE = "owner,month,budget\n7,2026-04,1.5\n07.0,2026-05,2.5\n8,2026-04,3.5\n"
ROWS = "owner,month,c,y\n7,2026-05,a,0\n 7,2026-04,b,1\n8,2026-05,c,0\n,2026-04,d,1\n8,,e,0\nx,2026-04,f,0\n8.0,2026-04,g,1\n"


def test_all_keys_must_meet_each_as_its_dtype(tmp_path):
    contract, clean, rejected = joined(tmp_path, {"rows.csv": ROWS, "budgets.csv": TABLE}, [JOIN], *COLUMNS)
    assert clean.select("c", "budget").rows() == [("a", 2.5), ("b", 1.5), ("d", None), ("e", None), ("g", 3.5)]
    assert rejected == [(3, "owner", "join"), (6, "owner", "dtype")]
    assert contract.num_matched == [3]


def test_an_optional_one_leaves_rows_without_a_match(tmp_path):
    join = JOIN | {"matched": "known"}
    known = {"name": "known", "role": "info", "dtype": "bool", "nullable": True}
    _, clean, rejected = joined(tmp_path, {"rows.csv": ROWS, "budgets.csv": TABLE}, [join], *COLUMNS, known)
    assert clean.select("c", "known").rows() == [("a", True), ("b", True), ("c", False), ("d", None), ("e", None), ("g", True)]
    assert [row[2] for row in rejected] == ["dtype"]


def test_keys_repeat_only_together(tmp_path):
    files = {"rows.csv": ROWS, "budgets.csv": TABLE + "7.0,2026-04,9\n"}
    with pytest.raises(SourceError, match="budgets.csv has owner='7', month='2026-04' more than once; the key of a side table"):
        joined(tmp_path, files, [JOIN], *COLUMNS)
    files["budgets.csv"] = TABLE + "7.0,2026-04,1.5\n,2026-04,9\n7,,9\n"  # the same row twice, and rows without a key
    assert len(joined(tmp_path, files, [JOIN], *COLUMNS)[1]) == 5


def test_every_key_may_be_called_otherwise_and_the_table_has_no_header(tmp_path):
    join = JOIN | {"format": {"header": False, "names": ["who", "when", "budget"]}, "rename": {"who": "owner", "when": "month"}}
    _, clean, _ = joined(tmp_path, {"rows.csv": ROWS, "budgets.csv": "7,2026-05,2\n"}, [join | {"optional": True}], *COLUMNS)
    assert clean["budget"].to_list() == [2.0, None, None, None, None, None]


def test_a_table_that_nothing_meets_is_named_with_all_keys(tmp_path):
    files = {"rows.csv": ROWS, "budgets.csv": "owner,month,budget\n1,2020-01,1\n"}
    contract, _, _ = joined(tmp_path, files, [JOIN | {"optional": True}], *COLUMNS)
    assert contract.unmatched() == {
        "budgets.csv by owner, month": "no row has a match in the side table 'budgets.csv': by owner, month the rows have "
        "'7, 2026-05', the side table has '1, 2020-01'; make the two alike, or take the join out"
    }


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ("owner,budget\n7,1\n", "lacks the column 'month' that source.joins names; it has owner, budget"),
        ("owner,month,budget\nx,2026-04,1\n", "has owner='x', which cannot be read as int, the key's dtype"),
    ],
)
def test_a_table_that_lacks_a_key_is_refused(tmp_path, table, words):
    with pytest.raises(SourceError, match=words):
        joined(tmp_path, {"rows.csv": ROWS, "budgets.csv": table}, [JOIN], *COLUMNS)


def test_a_key_that_a_later_table_brings_comes_too_late(tmp_path):
    files = {"rows.csv": "owner,c,y\n7,a,0\n", "budgets.csv": TABLE, "months.csv": "owner,month\n7,2026-04\n"}
    months = {"files": "months.csv", "key": "owner"}
    with pytest.raises(SourceError, match="the key 'month' of the join 'budgets.csv' comes from the join 'months.csv'"):
        joined(tmp_path, files, [JOIN, months], *COLUMNS)
    assert joined(tmp_path, files, [months, JOIN], *COLUMNS)[1]["budget"].to_list() == [1.5]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"key": "owner"}, "needs either key, the column that both have, or on, a list of several"),
        ({"on": []}, "needs either key, the column that both have, or on"),
        ({"on": ["owner", "owner"]}, "names a column twice in on: owner, owner"),
        ({"on": ["owner", "day"]}, "the join's key 'day' is not among columns"),
    ],
)
def test_keys_that_make_no_sense_are_refused(change, words):
    with pytest.raises(ValidationError, match=words):
        declared(*COLUMNS, source={"joins": [JOIN | change]})
