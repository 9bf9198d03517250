"""The ONNX encoder against a second method, on random rows with everything odd in them."""

import numpy as np
import onnxruntime as ort
import polars as pl
import pytest

from contracts.dataset.columns import Column
from stages.features.apply import Encoder
from stages.features.config import FeaturesConfig, SelectionConfig
from stages.features.graph import build_encoder, dense_names
from stages.features.vocabulary import Scale, Vocabulary, buckets_for, fit_scale, fit_vocabulary, ids_of, numbers, strings

SELECTION = SelectionConfig(min_z=3, min_columns=1, max_missing_frac=0.99, max_explained=0.5, num_shuffles=50)
CONFIG = FeaturesConfig(
    min_count=2,
    max_values=100,
    num_buckets=8,
    max_sigma=4,
    image_size=8,
    selection=SELECTION,
    overflow="unknown",
    overflow_buckets=7,
    overflow_columns=None,
)
# Names that a graph could stumble over: of its own parts, with spaces, dots, dashes, letters of another alphabet.
STRINGS = ("site", "low", "view", "user-item affinity.0", "größe", "x__missing", "cat")
NUMBERS = ("x", "add", "user-item_affinity_0", "one", "axis_1", "mean value")


def column(name: str, **more) -> Column:
    kind = {"role": "numeric", "dtype": "float", "nullable": True} if name in NUMBERS else {"role": "categorical"}
    return Column(**({"name": name, "dtype": "string"} | kind | more))


def random_rows(num_rows: int, seed: int, strange: bool = False) -> pl.DataFrame:
    """Rows of all columns; `strange` ones hold values that training never showed."""
    rng = np.random.default_rng(seed)
    words = ["a", "b", "日本", "ü", " a", "A", "0", "-1", "a\tb", 'q"', "", None]
    words += ["new", "𝕏", "a\0b", "x" * 300] if strange else []
    frame = {name: rng.choice(np.array(words, dtype=object), num_rows).tolist() for name in STRINGS}
    for i, name in enumerate(NUMBERS):
        x = rng.normal(size=num_rows) * 10.0 ** (i - 2)
        x[rng.random(num_rows) < 0.1] = 0
        frame[name] = pl.Series(x).scatter(np.flatnonzero(rng.random(num_rows) < 0.1), None)
        if strange:
            odd = [1e300, -1e300, 2**24 + 1, -(2**31) - 3, 1e-40, -0.0, np.inf, -np.inf]
            frame[name] = frame[name].scatter(rng.choice(num_rows, len(odd), replace=False), odd)
    return pl.DataFrame(frame, schema_overrides=dict.fromkeys(STRINGS, pl.String))


def fitted(rows: pl.DataFrame) -> list[Vocabulary | Scale]:
    parts = [fit_vocabulary(column(name), rows[name], CONFIG) for name in STRINGS]
    return parts + [fit_scale(column(name, log=name in ("add", "mean value")), rows[name], CONFIG) for name in NUMBERS]


def saved(tmp_path, parts, creatives=None):
    path = tmp_path / "encoder.onnx"
    path.write_bytes(build_encoder(parts, creatives).SerializeToString())
    return path


def whole_graph(path, rows: pl.DataFrame) -> dict[str, np.ndarray]:
    """Every output of the graph on every row, nothing done on distinct values."""
    session = ort.InferenceSession(path, providers=["CPUExecutionProvider"])
    feed = {}
    for value in session.get_inputs():
        text = value.type == "tensor(string)"
        cells = strings(rows[value.name]) if text else numbers(rows[value.name])
        feed[value.name] = np.array(cells.to_list(), dtype=object) if text else cells.to_numpy()
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, feed), strict=True))


def standardised(scale: Scale, values: pl.Series) -> np.ndarray:
    """A plain float64 standardisation, 0 where missing."""
    x = values.cast(pl.Float64).cast(pl.Float32).to_numpy().astype(np.float64)
    x = np.clip(x, -np.finfo(np.float32).max, np.finfo(np.float32).max)
    shown = np.sign(x) * np.log1p(np.abs(x)) if scale.log else x
    return np.where(np.isnan(x), 0, np.clip((shown - scale.mean) / scale.std, -scale.max_sigma, scale.max_sigma))


@pytest.fixture(scope="module")
def train() -> pl.DataFrame:
    return random_rows(3000, seed=1)


def test_the_graph_gives_the_ids_and_floats_of_the_second_method(tmp_path, train):
    parts = fitted(train)
    path = saved(tmp_path, parts)
    for rows in (train, random_rows(2000, seed=2, strange=True)):
        found = whole_graph(path, rows)
        for i, part in enumerate(parts):
            assert found["cat_idx"][:, i].tolist() == ids_of(part, rows[part.name]).tolist(), part.name
        names = dense_names(parts)
        assert found["num_feats"].shape == (len(rows), len(names))
        assert np.isfinite(found["num_feats"]).all()
        for scale in (part for part in parts if isinstance(part, Scale)):
            position = names.index(scale.name)
            expected = standardised(scale, rows[scale.name])
            np.testing.assert_allclose(found["num_feats"][:, position], expected, rtol=2e-5, atol=2e-6)
            missing = found["num_feats"][:, position + 1]
            assert names[position + 1] == f"{scale.name}__missing"
            assert missing.tolist() == rows[scale.name].is_null().cast(pl.Float64).to_list()


def test_encoding_distinct_values_equals_running_the_whole_graph(tmp_path, train):
    creatives = ("site", ("a", "ü", "zz"))
    path = saved(tmp_path, fitted(train), creatives)
    encoder = Encoder(path)
    for rows in (train, random_rows(500, seed=4, strange=True), train[:1], train[:0]):
        expected, found = whole_graph(path, rows), encoder.encode(rows)
        np.testing.assert_array_equal(found.cat_idx, expected["cat_idx"])
        np.testing.assert_allclose(found.num_feats, expected["num_feats"], rtol=3e-7, atol=0)  # Log, see below
        np.testing.assert_array_equal(found.creative_idx, expected["creative_idx"])
    assert encoder.creative_rows(pl.Series(["zz", "a", "b", "", None, "ü"])).tolist() == [3, 1, 0, 0, 0, 2]


def test_a_row_is_encoded_alike_to_the_last_bit_whatever_stands_beside_it(tmp_path, train):
    encoder = Encoder(saved(tmp_path, fitted(train)))
    rows = random_rows(40, seed=5, strange=True)
    together = encoder.encode(rows)
    for i in range(len(rows)):
        alone = encoder.encode(rows[i])
        np.testing.assert_array_equal(alone.cat_idx[0], together.cat_idx[i])
        np.testing.assert_array_equal(alone.num_feats[0], together.num_feats[i])


def test_ids_by_hand():
    values = pl.Series(["b", "a", "b", "c", "c", "b", None, "", "rare"])
    vocabulary = fit_vocabulary(column("site"), values, CONFIG)
    assert vocabulary.values == ("b", "c")  # the most frequent first, values seen once have no id
    assert vocabulary.num_ids == 4
    assert ids_of(vocabulary, pl.Series(["b", "c", "a", "", None])).tolist() == [2, 3, 0, 1, 1]
    one = FeaturesConfig(**(vars(CONFIG) | {"max_values": 1}))
    assert fit_vocabulary(column("site"), values, one).values == ("b",)
    assert fit_vocabulary(column("site"), pl.Series(["b", "a", "b", "a"]), CONFIG).values == ("a", "b")


def test_buckets_by_hand():
    two = FeaturesConfig(**(vars(CONFIG) | {"num_buckets": 4}))
    scale = fit_scale(column("x"), pl.Series([1.0, 2, 3, 4, 5, 6, 7, 8, None]), two)
    assert scale.edges == (3, 5, 7)
    assert ids_of(scale, pl.Series([-9.0, 2.99, 3, 4.9, 5, 7, 99, None])).tolist() == [2, 2, 3, 3, 4, 5, 5, 1]
    assert (scale.mean, scale.std) == (4.5, pytest.approx(np.std(np.arange(8))))
    assert scale.num_ids == 6


@pytest.mark.parametrize(
    ("values", "edges"),
    [
        ([0.0] * 96 + [1.0] * 4, (1,)),
        ([-1.0] * 3 + [0.0] * 93 + [2.0, 3, 4, 5], (2,)),  # below 0 there are too few
        ([-1.0] * 4 + [0.0] * 92 + [2.0, 3, 4, 5], (0, 2)),
        ([0.0] * 99 + [1.0], ()),  # seen once
        ([0.0] * 900 + list(range(1, 101)), (1, 35, 68)),  # a quarter of 125 rows at least
        ([0.0] * 30 + [1.0] * 70, (1,)),
    ],
)
def test_what_lies_above_a_value_that_fills_a_bucket_has_one_too(values, edges):
    assert fit_scale(column("x"), pl.Series(values), CONFIG).edges == edges


@pytest.mark.parametrize("values", [[3.0] * 9, [None] * 9, [1e-42] * 5 + [0.0] * 4, [3e38, -3e38, 1e300] * 3])
def test_odd_numbers_give_finite_floats(tmp_path, values):
    rows = pl.DataFrame({"x": pl.Series(values, dtype=pl.Float64)})
    encoder = Encoder(saved(tmp_path, [fit_scale(column("x"), rows["x"], CONFIG)]))
    found = encoder.encode(rows)
    assert np.isfinite(found.num_feats).all()
    assert found.cat_idx.min() >= 1


def test_integers_beyond_float32_are_rounded_alike_on_both_ways(tmp_path):
    rows = pl.DataFrame({"x": pl.Series([2**24 + 1, 2**24, 2**53 + 1, -(2**62), 0], dtype=pl.Int64)})
    scale = fit_scale(column("x"), rows["x"], CONFIG)
    found = whole_graph(saved(tmp_path, [scale]), rows)
    assert found["cat_idx"][:, 0].tolist() == ids_of(scale, rows["x"]).tolist()
    assert found["cat_idx"][0, 0] == found["cat_idx"][1, 0]


def test_a_data_set_without_numbers_or_without_strings_is_encoded(tmp_path, train):
    only_strings = Encoder(saved(tmp_path, fitted(train)[:1])).encode(train)
    assert only_strings.cat_idx.shape == (3000, 1) and only_strings.num_feats.shape == (3000, 0)
    assert only_strings.creative_idx is None
    only_numbers = Encoder(saved(tmp_path, fitted(train)[-1:])).encode(train)
    assert only_numbers.cat_idx.shape == (3000, 1) and only_numbers.num_feats.shape == (3000, 2)
    assert only_numbers.cat_idx.min() == 1


def test_booleans_and_whole_numbers_are_looked_up_as_text(tmp_path):
    rows = pl.DataFrame({"b": [True, False, None, True, False], "i": [3, -3, None, 3, -3]})
    parts = [
        fit_vocabulary(Column(name="b", role="categorical", dtype="bool"), rows["b"], CONFIG),
        fit_vocabulary(Column(name="i", role="categorical", dtype="int"), rows["i"], CONFIG),
    ]
    assert [part.values for part in parts] == [("false", "true"), ("-3", "3")]
    found = Encoder(saved(tmp_path, parts)).encode(rows)
    assert found.cat_idx.tolist() == [[3, 3], [2, 2], [1, 1], [3, 3], [2, 2]]


def test_no_creative_with_an_image_gives_index_0(tmp_path, train):
    found = Encoder(saved(tmp_path, fitted(train)[:1], ("site", ()))).encode(train)
    assert set(found.creative_idx.tolist()) == {0}


def test_the_same_columns_give_the_same_bytes(train):
    first = build_encoder(fitted(train), ("site", ("a",))).SerializeToString()
    assert build_encoder(fitted(train.clone()), ("site", ("a",))).SerializeToString() == first


@pytest.mark.parametrize(("log", "values"), [(False, [1.0, 2, 3, 4, 5, 6, 7, 8]), (True, [0.0, 0, 1, 3, 7, 15, 31, 1000])])
def test_knots_are_where_the_encoder_puts_the_ends_of_the_buckets(tmp_path, log, values):
    rows = pl.DataFrame({"x": values})
    scale = fit_scale(column("x", log=log), rows["x"], CONFIG)
    ends = pl.DataFrame({"x": [min(values), *scale.edges, max(values)]})
    found = Encoder(saved(tmp_path, [scale])).encode(ends).num_feats[:, 0]
    np.testing.assert_allclose(scale.knots, found, atol=1e-6)


def test_knots_too_near_to_be_told_apart_are_one():
    assert fit_scale(column("x"), pl.Series([5.0] * 9), CONFIG).knots == (0.0,)
    near = fit_scale(column("x"), pl.Series([0.0] * 4 + [1e-7] * 4 + [1.0] * 4), CONFIG)
    assert near.edges == (np.float32(1e-7), 1.0)
    assert len(near.knots) == 2


def test_buckets_of_a_column_with_one_frequent_value_hold_as_many_of_the_other_rows():
    rng = np.random.default_rng(0)
    amount = np.where(rng.random(20_000) < 0.9, 0.0, rng.lognormal(5, 2, 20_000))
    scale = fit_scale(column("x"), pl.Series(amount), FeaturesConfig(**(vars(CONFIG) | {"num_buckets": 24})))
    rows = np.bincount(ids_of(scale, pl.Series(amount)))[2:]
    assert rows[0] == (amount == 0).sum()
    assert len(rows) == 10 and rows[1:].max() - rows[1:].min() <= 1 and rows.min() >= 20_000 / 24 / 4


def test_a_logged_number_is_the_same_to_the_bit_wherever_in_a_batch_it_stands(tmp_path):
    rows = pl.DataFrame({"x": np.random.default_rng(1).lognormal(6, 2, 4099).astype(np.float32)})
    path = saved(tmp_path, [fit_scale(column("x", log=True), rows["x"], CONFIG)])
    together = whole_graph(path, rows)["num_feats"]
    alone = np.concatenate([whole_graph(path, rows[start : start + 3])["num_feats"] for start in range(0, 1200, 3)])
    assert (alone == together[:1200]).all()


@pytest.mark.parametrize(
    ("most", "rows", "expected"),
    [(48, 0, 24), (48, 24_999, 24), (48, 30_000, 30), (48, 48_000, 48), (48, 10**7, 48), (8, 10**6, 8)],
)
def test_small_tables_get_fewer_buckets(most, rows, expected):
    config = FeaturesConfig(**(vars(CONFIG) | {"num_buckets": most}))
    assert buckets_for(rows, config) == expected
