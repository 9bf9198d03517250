"""The reference profile: shares that add up, by hand."""

import numpy as np
import polars as pl
import pytest

from stages.features.profile import TOP_VALUES, profile
from stages.features.vocabulary import Scale, Vocabulary, ids_of


def test_profile_by_hand():
    rows = pl.DataFrame({"c": ["a", "a", "b", "z", None], "x": [1.0, 3, 5, None, 3], "y": [0, 1, 0, 0, 1]})
    scale = Scale(name="x", log=False, mean=0, std=1, edges=(2.0, 4.0), range=(0.0, 9.0), has_missing=True, max_sigma=8)
    parts = [Vocabulary(name="c", values=("a", "b")), scale]
    found = profile(parts, {part.name: ids_of(part, rows[part.name]) for part in parts}, rows, "y")
    assert found["rows"] == 5 and found["click_rate"] == pytest.approx(0.4)
    assert found["columns"]["c"] == {
        "kind": "categorical", "unknown": 0.2, "missing": 0.2, "shares": {"a": 0.4, "b": 0.2}, "other": 0.0,
    }  # fmt: skip
    assert found["columns"]["x"] == {
        "kind": "numeric", "unknown": 0.0, "missing": 0.2, "edges": [2.0, 4.0], "shares": [0.2, 0.4, 0.2],
    }  # fmt: skip


def test_rare_values_are_summed_up():
    values = tuple(f"v{i}" for i in range(TOP_VALUES + 30))
    rows = pl.DataFrame({"c": values, "y": np.zeros(len(values), dtype=int)})
    part = Vocabulary(name="c", values=values)
    column = profile([part], {"c": ids_of(part, rows["c"])}, rows, "y")["columns"]["c"]
    assert len(column["shares"]) == TOP_VALUES
    assert column["other"] == pytest.approx(30 / len(values))
