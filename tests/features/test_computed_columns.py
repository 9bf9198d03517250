"""Ratios, differences and crosses inside the encoder, against plain computations, on rows with everything odd in them."""

from itertools import product

import numpy as np
import polars as pl
import pytest

from contracts.dataset.columns import Column
from contracts.tables.computed.of_row import computed, crossed
from stages.features.apply import Encoder
from stages.features.computed import Cross, fit_computed, fit_cross
from stages.features.vocabulary import FIRST_ID, MISSING_ID, UNKNOWN_ID, fit_scale, fit_vocabulary, ids_of
from tests.features.test_encoder import CONFIG, saved, whole_graph

SITE, DEVICE, HOUR = (Column(name=name, role="categorical", dtype=dtype, nullable=True)
                      for name, dtype in (("site", "string"), ("de/vice", "bool"), ("hour", "int")))  # fmt: skip
PRICE, AREA = (Column(name=name, role="numeric", dtype="float", nullable=True) for name in ("price", "area"))
PAIR = Column(name="pair", role="categorical", dtype="string", cross=("site", "hour"))
THREE = Column(name="th ree", role="categorical", dtype="string", cross=("hour", "site", "de/vice"))
RATIO = Column(name="per/m2", role="numeric", dtype="float", ratio=("price", "area"), log=True)
GAP = Column(name="gap", role="numeric", dtype="float", difference=("area", "price"))
READ, MADE = (SITE, DEVICE, HOUR, PRICE, AREA), (PAIR, THREE, RATIO, GAP)
ODD = [1e300, -1e300, 3e38, -3e38, 1e-40, -0.0, 0.0, 2**24 + 1, 16777217.5, 1 / 3]


def rows_of(num_rows: int, seed: int, strange: bool = False) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    words = ["a", "b|", "|b", "\\", "\\|", "a|b", None] + (["new", ""] if strange else [])
    frame = pl.DataFrame(
        {
            "site": pl.Series(rng.choice(np.array(words, dtype=object), num_rows).tolist(), dtype=pl.String),
            "de/vice": pl.Series(rng.choice(np.array([True, False, None]), num_rows).tolist(), dtype=pl.Boolean),
            "hour": pl.Series(rng.choice(np.array([0, 7, -1, 23, None]), num_rows).tolist(), dtype=pl.Int64),
            "price": rng.normal(size=num_rows) * 10,
            "area": np.round(rng.normal(size=num_rows), 1),
        }
    )
    for name in ("price", "area"):
        values = frame[name].scatter(np.flatnonzero(rng.random(num_rows) < 0.1), None)
        frame = frame.with_columns(values.scatter(rng.choice(num_rows, len(ODD), replace=False), ODD))
    return frame.with_columns(computed(column, frame.__getitem__) for column in MADE)


def fitted(rows: pl.DataFrame) -> list:
    parts = {c.name: (fit_vocabulary if c.is_categorical else fit_scale)(c, rows[c.name], CONFIG) for c in READ}
    return [*parts.values(), *(fit_computed(column, rows, parts, CONFIG) for column in MADE)]


@pytest.mark.parametrize("strange", [False, True])
def test_the_graph_computes_what_the_second_method_does(tmp_path, strange):
    parts, rows = fitted(rows_of(4000, seed=1)), rows_of(9000, seed=2, strange=strange)
    path = saved(tmp_path, parts)
    whole, apart = whole_graph(path, rows), Encoder(path)
    assert apart.inputs == [column.name for column in READ]
    encoded = apart.encode(rows.select(apart.inputs))
    np.testing.assert_array_equal(encoded.cat_idx, whole["cat_idx"])
    np.testing.assert_array_equal(encoded.num_feats.view(np.int32), whole["num_feats"].view(np.int32))
    for place, part in enumerate(parts):
        np.testing.assert_array_equal(whole["cat_idx"][:, place], ids_of(part, rows[part.name]), err_msg=part.name)
    assert all(set(whole["cat_idx"][:, place].tolist()) >= {MISSING_ID, FIRST_ID} for place in range(len(parts)))
    assert not strange or (whole["cat_idx"][:, 5] == UNKNOWN_ID).any()
    assert len(apart.encode(rows[:0].select(apart.inputs)).cat_idx) == 0


def test_columns_that_are_only_computed_of_are_inputs(tmp_path):
    """Selection may keep a ratio without its two columns."""
    parts = fitted(rows_of(4000, seed=1))
    ratio = next(part for part in parts if part.name == "per/m2")
    path, rows = saved(tmp_path, [parts[0], ratio]), rows_of(500, seed=3)
    encoder = Encoder(path)
    assert encoder.inputs == ["site", "price", "area"]
    np.testing.assert_array_equal(encoder.encode(rows).num_feats, whole_graph(path, rows)["num_feats"])


def test_numbers_are_computed_as_float32_and_missing_where_not_finite():
    rows = pl.DataFrame(
        {
            "price": [1.0, 1.0, 0.0, None, 3e38, 16777217.0, 1e-40, 0.1],
            "area": [3.0, 0.0, 0.0, 1.0, -3e38, 1.0, 1e30, None],
        }
    )
    ratio, gap = (computed(column, rows.__getitem__).to_list() for column in (RATIO, GAP))
    assert ratio == [float(np.float32(1) / np.float32(3)), None, None, None, -1.0, 16777216.0, 0.0, None]
    assert gap == [2.0, -1.0, 0.0, None, None, -16777215.0, float(np.float32(1e30)), None]


def test_no_two_pairs_are_one_text():
    words = ["".join(letters) for size in (1, 2, 3) for letters in product("a|\\", repeat=size)]
    pairs = list(product(words, repeat=2))
    texts = crossed([pl.Series([pair[0] for pair in pairs]), pl.Series([pair[1] for pair in pairs])])
    assert texts.n_unique() == len(pairs) and texts.null_count() == 0
    assert crossed([pl.Series([7, None, 7]), pl.Series(["x|y", "x", ""])]).to_list() == ["7|x\\|y", None, None]


def test_a_cross_has_the_frequent_pairs_whose_parts_are_known():
    rows = pl.DataFrame({"site": ["a", "a", "a", "b", "b", "b", "c", "c", None], "hour": [1, 1, 2, 1, 1, 1, 3, 3, 1]})
    rows = rows.with_columns(computed(PAIR, rows.__getitem__))
    parts = tuple(fit_vocabulary(column, rows[column.name], CONFIG) for column in (SITE, HOUR))
    assert [part.values for part in parts] == [("a", "b", "c"), ("1", "3")]  # hour 2 came once
    found = fit_cross(PAIR, rows, parts, CONFIG)
    assert found == Cross(
        name="pair", values=("b|1", "a|1", "c|3"), of=("site", "hour"), sizes=(5, 4), ids=((3, 2), (2, 2), (4, 3))
    )
    assert found.codes == [3 * 4 + 2, 2 * 4 + 2, 4 * 4 + 3]
    of_many = fit_cross(PAIR, rows, parts, CONFIG, np.array([1, 1, 1, 1, 1, 1, 5, 5, 1]))
    assert of_many.values == ("c|3", "b|1", "a|1")


def test_too_many_combinations_are_refused():
    rows = pl.DataFrame({"site": ["a", "a"], "hour": [1, 1], "pair": ["a|1", "a|1"]})
    huge = type("Huge", (), {"num_ids": 2**40})()
    with pytest.raises(ValueError, match=r"column 'pair' crosses site and hour with .* ids, more combinations"):
        fit_cross(PAIR, rows, (huge, huge), CONFIG)
