"""What fit makes of columns with several values: vocabularies, the verdict, and what spec.json says."""

from typing import Any

import numpy as np
import polars as pl

from stages.features.lists import JudgedColumns, described_lists, fit_slots, names_of_parts, views_of
from stages.features.selection import select
from stages.features.vocabulary import fit_vocabulary, ids_of
from tests.contracts.declared import LABEL, declared
from tests.stages.pipeline_world import composed

AD = {"name": "ad", "role": "creative", "dtype": "string"}
TAGS = {"name": "tags", "role": "set", "dtype": "string", "longest": 2}
LAST = {"name": "last", "role": "sequence", "dtype": "string", "longest": 2, "vocabulary": "ad"}


def config(**changes: Any):
    from pydantic import TypeAdapter

    from stages.features.config import FeaturesConfig

    return TypeAdapter(FeaturesConfig).validate_python(composed()["features"] | changes)


def rows(**columns: list[Any]) -> pl.DataFrame:
    return pl.DataFrame(columns, schema=dict.fromkeys(columns, pl.String))


def test_slots_share_one_vocabulary_that_counts_the_values_of_all_or_that_of_another_column():
    declaration = declared(AD, TAGS, LAST, LABEL)
    train = rows(
        ad=["x", "y", "y", "x", "y"],
        **{"tags[0]": ["a", "b", "a", None, "c"], "tags[1]": ["b", None, "c", None, "b"]},
        **{"last[0]": ["z", "z", "z", "z", "x"], "last[1]": [None] * 5},
    )
    known = {"ad": fit_vocabulary(declaration.column("ad"), train["ad"], config(min_count=2))}
    found = fit_slots(declaration, train, known, config(min_count=2), None)
    assert {name: part.values for name, part in found.items()} == {
        "tags[0]": ("b", "a", "c"), "tags[1]": ("b", "a", "c"), "last[0]": ("y", "x"), "last[1]": ("y", "x"),
    }  # fmt: skip
    assert [part.name for part in found.values()] == list(found)


def test_values_of_a_row_that_stands_for_many_count_as_often():
    declaration = declared(AD, TAGS, LABEL)
    train = rows(ad=["x"] * 3, **{"tags[0]": ["a", "b", "b"], "tags[1]": ["c", None, "a"]})
    found = fit_slots(declaration, train, {}, config(min_count=3), np.array([4.0, 1.0, 1.0]))
    assert found["tags[0]"].values == found["tags[1]"].values == ("a", "c")  # 5, 4; b 2


def test_a_column_is_judged_by_one_value_a_row_by_their_number_and_by_whether_what_is_shown_is_among_them():
    ids = np.array([[2, 3], [4, 1], [1, 1], [1, 5], [0, 0]])
    drawn, number, among = views_of(ids, np.array([3, 3, 1, 5, 0]), np.random.default_rng(0))
    assert number.tolist() == [2, 1, 0, 1, 2]
    assert among.tolist() == [1, 0, 0, 1, 0]  # missing or unknown values are none that are shown
    assert drawn[0] in (2, 3) and drawn[1:].tolist() == [4, 1, 5, 0]
    assert {int(views_of(ids, None, np.random.default_rng(seed))[0][0]) for seed in range(20)} == {2, 3}


def test_it_is_kept_or_dropped_as_a_whole():
    declaration = declared(AD, TAGS, LAST, LABEL)
    rng, num_rows = np.random.default_rng(1), 4000
    ads, seen = rng.integers(0, 5, num_rows), rng.integers(0, 5, (num_rows, 2))
    label = (rng.random(num_rows) < 0.2 + 0.3 * (seen == ads[:, None]).any(axis=1)).astype(int)
    train = rows(
        ad=[f"ad{i}" for i in ads],
        **{f"tags[{i}]": [f"t{value}" for value in rng.integers(0, 6, num_rows)] for i in range(2)},
        **{f"last[{i}]": [f"ad{value}" for value in seen[:, i]] for i in range(2)},
    )
    parts = {"ad": fit_vocabulary(declaration.column("ad"), train["ad"], config())}
    parts |= fit_slots(declaration, train, parts, config())
    ids = {name: ids_of(part, train[name]) for name, part in parts.items()}
    chosen = config().selection
    judged = JudgedColumns.of(declaration, ids, dict.fromkeys(ids, 0.0), label, chosen, 3)
    assert [column.name for column in judged.columns] == ["ad", "tags", "last"]
    scores = {score.name: score for score in select(judged.columns, judged.ids, judged.missing, label, chosen, 3)}
    assert scores["last"].kept and scores["last"].z > 20 and scores["tags"].z < 4
    assert names_of_parts(declaration, ["ad", "last"]) == {"ad", "last[0]", "last[1]"}


def test_the_description_names_only_what_the_model_sees():
    declaration = declared(AD, TAGS, LAST, LABEL)
    train = rows(ad=["x"], **{f"{name}[{i}]": ["x"] for name in ("tags", "last") for i in range(2)})
    ad = fit_vocabulary(declaration.column("ad"), train["ad"], config(min_count=1))
    slots = fit_slots(declaration, train, {"ad": ad}, config(min_count=1))
    last = {"name": "last", "role": "sequence", "fields": ["last[0]", "last[1]"], "pool": "mean"}
    tags = {"name": "tags", "role": "set", "fields": ["tags[0]", "tags[1]"], "pool": "mean", "vocabulary": None, "target": None}
    assert described_lists(declaration, [ad, *slots.values()]) == [tags, last | {"vocabulary": "ad", "target": "ad"}]
    assert described_lists(declaration, list(slots.values())) == [tags, last | {"vocabulary": None, "target": None}]
    assert described_lists(declaration, [ad]) == []
