"""Values without an id of their own, hashed: the graph against scikit-learn's hash, and what the ids mean."""

from dataclasses import replace
from typing import Any

import numpy as np
import onnx
import polars as pl
import pytest
from pydantic import TypeAdapter

from contracts.dataset.columns import Column
from stages.features.apply import Encoder
from stages.features.config import FeaturesConfig
from stages.features.graph import build_encoder
from stages.features.lists import fit_slots
from stages.features.overflow import buckets_of
from stages.features.salts import salts_of
from stages.features.vocabulary import Scale, Vocabulary, fit_vocabulary, ids_of, known_ids, known_part
from stages.onnx_session import open_session
from stages.warm_start.rows import known_values
from tests.contracts.declared import LABEL, declared
from tests.stages.pipeline_world import composed

SITE = Column(name="site", role="categorical", dtype="string")
ODD = ["", "new", "é中", "\x1f", "a\0b", "\0", "x" * 300, "\U0001d54f", " ", "-1", "!!site"]


def config(**changes: Any) -> FeaturesConfig:
    given = {"overflow": "hash", "min_count": 2, "overflow_buckets": 8}
    return TypeAdapter(FeaturesConfig).validate_python(composed()["features"] | given | changes)


def murmur3(data: bytes, seed: int = 0) -> int:
    """MurmurHash3_x86_32 by its definition, a third time beside ONNX Runtime's and scikit-learn's."""
    mask, h = 0xFFFFFFFF, seed

    def turned(x: int, bits: int) -> int:
        return ((x << bits) | (x >> (32 - bits))) & mask

    def mixed(k: int) -> int:
        return turned(k * 0xCC9E2D51 & mask, 15) * 0x1B873593 & mask

    whole = len(data) // 4 * 4
    for i in range(0, whole, 4):
        h = (turned(h ^ mixed(int.from_bytes(data[i : i + 4], "little")), 13) * 5 + 0xE6546B64) & mask
    h ^= mixed(int.from_bytes(data[whole:], "little")) if len(data) > whole else 0
    h ^= len(data)
    for shift, factor in ((16, 0x85EBCA6B), (13, 0xC2B2AE35)):
        h = (h ^ (h >> shift)) * factor & mask
    return h ^ (h >> 16)


def test_the_hash_is_what_its_definition_says():
    values = [*ODD, *(f"user-{i}" for i in range(50))]
    assert murmur3(b"") == 0 and murmur3(b"hello") == 0x248BFA47  # as its author's program gives
    assert buckets_of(values, "!#", 1000).tolist() == [murmur3(("!#" + value).encode()) % 1000 for value in values]


def test_rare_and_overflowing_values_share_buckets_and_what_is_never_seen_falls_into_one_of_them():
    rng = np.random.default_rng(3)
    frequent = [f"often {i}" for i in range(3) for _ in range(20 - i)]
    rare = [f"rare {i}" for i in range(30)]
    values = pl.Series("site", [*frequent, *rare, "", None] + ["overflow"] * 9)
    values = values.sample(fraction=1, shuffle=True, seed=int(rng.integers(99)))
    part = fit_vocabulary(SITE, values, config(max_values=3, min_count=4), salt="!#")
    assert part.values == ("often 0", "often 1", "often 2") and part.num_known == 5
    of_rare = [murmur3(f"!#{value}".encode()) % 8 for value in [*rare, *["overflow"] * 9]]
    rows_B = np.bincount(of_rare, minlength=8)
    assert (rows_B >= 4).any() and (rows_B < 4).any()
    expected, following = [], 5
    for rows in rows_B:
        expected.append(following if rows >= 4 else 0)
        following += rows >= 4
    assert part.bucket_ids == tuple(expected) and part.num_ids == following
    asked = pl.Series(["often 1", "rare 7", "overflow", "never seen", "", None])
    by_hand = [3, *(expected[murmur3(f"!#{value}".encode()) % 8] for value in asked[1:4]), 1, 1]
    assert ids_of(part, asked).tolist() == by_hand
    assert known_ids(part, ids_of(part, asked)).tolist() == ids_of(known_part(part), asked).tolist() == [3, 0, 0, 0, 1, 1]


def test_without_rows_enough_no_bucket_has_an_id():
    values = pl.Series("site", ["a", "a", "b", "c"])
    assert known_part(found := fit_vocabulary(SITE, values, config(), salt="!#")) == fit_vocabulary(SITE, values, config())
    assert found.bucket_ids == () and found.num_ids == found.num_known == 3


def parts() -> list[Vocabulary | Scale]:
    site = Vocabulary(name="site", values=("a", "b"), bucket_ids=(0, 4, 5, 0, 6), salt="!#")
    plain = Vocabulary(name="device", values=("x",))
    number = Scale(name="n", log=False, mean=0, std=1, edges=(2.0,), range=(0.0, 9.0), has_missing=True, max_sigma=8)
    user = Vocabulary(name="user", values=(), bucket_ids=(2,), salt="!$")
    return [site, number, plain, user]


def rows(num_rows: int, seed: int) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    words = np.array([*ODD, "a", "b", "x", None, *(f"v{i}" for i in range(40))], dtype=object)
    texts = {name: pl.Series(rng.choice(words, num_rows).tolist(), dtype=pl.String) for name in ("site", "device", "user")}
    return pl.DataFrame(texts | {"n": rng.normal(size=num_rows)})


def test_the_graph_gives_the_rows_of_the_tables_and_says_unknown_of_what_it_hashed(tmp_path):
    path = tmp_path / "encoder.onnx"
    onnx.save(build_encoder(parts(), ("site", ("a", "v1"))), path)
    table, session = rows(500, seed=4), open_session(path)
    texts = {name: np.array(table[name].fill_null("").to_list(), dtype=object) for name in ("site", "device", "user")}
    names = [value.name for value in session.get_outputs()]
    found = dict(zip(names, session.run(None, texts | {"n": table["n"].to_numpy().astype(np.float32)}), strict=True))
    for place, part in enumerate(parts()):
        expected = ids_of(part, table[part.name])
        assert found["table_idx"][:, place].tolist() == expected.tolist(), part.name
        assert found["cat_idx"][:, place].tolist() == known_ids(part, expected).tolist(), part.name
    assert {4, 5, 6} <= set(found["table_idx"][:, 0].tolist()) and found["cat_idx"][:, 0].max() == 3
    encoded = Encoder(path).encode(table)
    np.testing.assert_array_equal(encoded.cat_idx, found["table_idx"])
    np.testing.assert_array_equal(encoded.creative_idx, found["creative_idx"])


def test_nothing_of_the_graph_changes_where_nothing_is_hashed():
    plain = [known_part(part) for part in parts()]
    graph = build_encoder(plain, None)
    assert "table_idx" not in {value.name for value in graph.graph.output}
    assert {version.domain: version.version for version in graph.opset_import} == {"": 18, "ai.onnx.ml": 3}


def test_salts_are_the_codes_of_a_request_and_only_columns_with_their_own_vocabulary_have_one():
    ad = {"name": "ad", "role": "creative", "dtype": "string"}
    tags = {"name": "tags", "role": "set", "dtype": "string", "longest": 2}
    last = {"name": "last", "role": "sequence", "dtype": "string", "longest": 2, "vocabulary": "ad"}
    declaration = declared(tags, ad, last, LABEL)
    assert salts_of(declaration, config()) == {"tags": "!!", "ad": "!#"}  # of places 0 and 2: the slots of tags share one
    assert salts_of(declaration, config(overflow_columns=["ad"])) == {"ad": "!#"}
    assert salts_of(declaration, config(overflow="unknown")) == {}
    with pytest.raises(ValueError, match="overflow_columns names 'last', which has no vocabulary of its own.*: tags, ad"):
        salts_of(declaration, config(overflow_columns=["last"]))


def test_slots_are_hashed_together_and_those_of_another_vocabulary_are_not():
    tags = {"name": "tags", "role": "set", "dtype": "string", "longest": 2}
    last = {"name": "last", "role": "set", "dtype": "string", "longest": 2, "vocabulary": "tags"}
    declaration = declared(tags, last, LABEL)
    columns = {f"{name}[{place}]": ["a", "a", "b"] if place else ["c", "a", "b"] for name in ("tags", "last") for place in (0, 1)}
    found = fit_slots(declaration, pl.DataFrame(columns), {}, config(max_values=1, overflow_buckets=1), None, {"tags": "!!"})
    assert found["tags[0]"] == replace(found["tags[1]"], name="tags[0]")
    assert (found["tags[0]"].values, found["tags[0]"].bucket_ids, found["last[0]"].bucket_ids) == (("a",), (3,), ())
    assert found["last[1]"].values == ("a",)


def test_a_training_from_the_champion_finds_the_buckets_again(tmp_path):
    path = tmp_path / "encoder.onnx"
    onnx.save(build_encoder(parts(), None), path)
    found = known_values(path)
    assert found["site"] == ("a", "b", *(f"\0 bucket {place} of 5 behind !#" for place in (1, 2, 4)))
    assert found["device"] == ("x",) and found["user"] == ("\0 bucket 0 of 1 behind !$",)
