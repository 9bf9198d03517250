"""Which columns the client takes out of a table, what it computes, and what it knows of a model."""

import json
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import polars as pl
import pytest

from contracts.dataset.columns import Column
from contracts.serving.request import RequestSpec
from serving.client import BrokenRows, ServerFailed
from serving.client.batch import batch_of, pieces
from serving.client.rows import needed_columns
from serving.client.served_model import ServedModel, served_model

MOMENT = Column(name="t", role="time", dtype="datetime", time_zone="Europe/Berlin")
HOUR = Column(name="hour", role="categorical", dtype="int", min=0, max=23, derive_from="t", part="hour")
SITE = Column(name="site", role="categorical", dtype="string", nullable=True, values=("a", "b"), unique=True)
PRICE = Column(name="price", role="numeric", dtype="float", nullable=True, min=0)
SPEC = RequestSpec(categorical=(HOUR, SITE), numeric=(PRICE,), instants=(MOMENT,), creative=None, digest="d")
MODEL = ServedModel(request=SPEC, max_rows=2, max_image_bytes=10, max_image_pixels=100, max_request_bytes=20)
TIMES = ["2024-07-01T22:30:00Z", "2024-07-01T09:00:00Z", "2024-01-01T23:30:00Z"]  # Berlin: hours 0, 11, 0


def tensors_of(frame: pl.DataFrame, check: bool = True) -> tuple[list, list]:
    batch = batch_of(MODEL, frame, None, check)
    found = [batch.tensors(start, stop) for start, stop in batch.pieces]
    return (
        np.concatenate([tensors["categorical"] for tensors in found]).tolist(),
        np.concatenate([tensors["numeric"] for tensors in found]).tolist(),
    )


@pytest.mark.parametrize("check", [True, False])
@pytest.mark.parametrize("as_text", [True, False])
def test_a_derived_column_is_computed_from_its_time(check, as_text):
    times = pl.Series("t", TIMES) if as_text else pl.Series("t", [datetime.fromisoformat(t) for t in TIMES])
    frame = pl.DataFrame([times, pl.Series("site", ["a", None, ""]), pl.Series("price", [1.5, 0.0, 2.0])])
    assert tensors_of(frame, check) == ([["0", "a"], ["11", ""], ["0", ""]], [[1.5], [0.0], [2.0]])


@pytest.mark.parametrize("check", [True, False])
def test_a_derived_column_may_be_given_instead_of_its_time(check):
    frame = pl.DataFrame({"hour": [0, 11], "site": ["a", "a"], "price": [1.0, None]})
    texts, floats = tensors_of(frame, check)
    assert texts == [["0", "a"], ["11", "a"]] and np.isnan(floats[1][0])


def test_the_time_counts_where_both_are_given_as_in_training():
    frame = pl.DataFrame({"hour": [5], "t": [datetime(2024, 7, 1, 9, tzinfo=UTC)], "site": ["b"], "price": [1.0]})
    assert tensors_of(frame)[0] == [["11", "b"]]


def test_missing_columns_are_named_with_what_may_stand_for_them():
    with pytest.raises(ValueError, match=r"the rows lack columns 'hour' \(or 't', from which it is computed\), 'price', which"):
        needed_columns(SPEC, ["site", "other"])


@pytest.mark.parametrize(
    ("column", "value", "sentence"),
    [
        ("t", "yesterday", "column 't', row 0: 'yesterday' breaks the rule dtype: a time in ISO 8601"),
        ("site", "c", "column 'site', row 0: 'c' breaks the rule values: one of a, b"),
        ("price", -1.0, "column 'price', row 0: -1 breaks the rule min: at least 0"),
    ],
)
def test_the_sentence_says_what_is_expected(column, value, sentence):
    frame = pl.DataFrame({"t": TIMES[:1], "site": ["a"], "price": [1.0]}).with_columns(pl.lit(value).alias(column))
    with pytest.raises(BrokenRows) as broken:
        batch_of(MODEL, frame, None, True)
    assert str(broken.value) == sentence


def test_without_check_only_types_count():
    frame = pl.DataFrame({"hour": ["77"], "site": ["c"], "price": ["-1"]})
    assert tensors_of(frame, check=False) == ([["77", "c"]], [[-1.0]])
    with pytest.raises(BrokenRows, match="column 'hour', row 0: 'noon' breaks the rule dtype: a whole number"):
        tensors_of(frame.with_columns(hour=pl.lit("noon")), check=False)


@pytest.mark.parametrize("cells", [pl.Series([b"caf\xe9"]), pl.Series([object()], dtype=pl.Object)])
def test_cells_that_are_no_text_are_refused(cells):
    frame = pl.DataFrame({"hour": [7], "site": cells, "price": [1.0]})
    with pytest.raises(ValueError, match="column 'site' holds .* that is no text; give it one type"):
        batch_of(MODEL, frame, None, False)


@pytest.mark.parametrize(
    "cells", [pl.Series(["a"], dtype=pl.Categorical), pl.Series(["a"], dtype=pl.Enum(["a", "b"])), pl.Series([b"a"])]
)
def test_cells_that_stand_for_text_are_text(cells):
    assert tensors_of(pl.DataFrame({"hour": [7], "site": cells, "price": [1.0]})) == ([["7", "a"]], [[1.0]])


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        (None, [(0, 3), (3, 6), (6, 7)]),
        ([0] * 7, [(0, 3), (3, 6), (6, 7)]),
        ([5, 5, 5, 5, 10, 0, 1], [(0, 2), (2, 4), (4, 6), (6, 7)]),
        ([11, 0, 0, 99, 98, 0, 0], [(0, 1), (1, 3), (3, 4), (4, 5), (5, 7)]),  # the server says what is too large
    ],
)
def test_pieces_hold_as_many_rows_and_bytes_as_fit(sizes, expected):
    assert pieces(7, 3, [] if sizes is None else [np.array(sizes)], 10) == expected


def test_pieces_bear_each_kind_of_bytes():
    assert pieces(3, 3, [np.array([4, 4, 4]), np.array([0, 9, 9])], 10) == [(0, 2), (2, 3)]
    assert pieces(3, 3, [np.array([6, 6, 1]), np.array([0, 0, 9])], 10) == [(0, 1), (1, 3)]


def test_long_texts_are_sent_in_several_requests():
    frame = pl.DataFrame({"hour": [7] * 4, "site": ["a" * 15, "", "b" * 30, "c"], "price": [1.0] * 4})
    batch = batch_of(replace(MODEL, max_rows=4), frame, None, False)
    assert batch.pieces == [(0, 2), (2, 3), (3, 4)]


def config(**changes: str) -> dict:
    columns = [{"name": "site", "role": "categorical", "dtype": "string"}, {"name": "t", "role": "time", "dtype": "datetime"}]
    texts = {"columns": json.dumps(columns), "categorical_columns": '["site"]', "numeric_columns": "[]"}
    texts |= {"creative_column": "", "declaration": "abc"} | changes
    return {"name": "ctr", "max_batch_size": 8, "parameters": {key: {"string_value": text} for key, text in texts.items()}}


def test_a_server_that_publishes_no_limits_has_the_usual_ones():
    model = served_model(config())
    assert (model.max_rows, model.max_image_bytes, model.max_request_bytes) == (8, 1 << 20, 2 << 20)
    assert model.max_image_pixels == 1 << 22
    assert [c.name for c in model.request.categorical] == ["site"] and [c.name for c in model.request.instants] == ["t"]
    assert served_model(config(max_image_bytes="7", max_request_bytes="9")).max_request_bytes == 9


def test_columns_that_cannot_be_read_are_the_servers_fault():
    for columns in ("[", '[{"name": "site", "role": "categorical", "dtype": "string", "newer": 1}]'):
        with pytest.raises(ServerFailed, match="model 'ctr' describes its columns as this client cannot read"):
            served_model(config(columns=columns))
