"""True probabilities are matched by key, or declared unknown."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from contracts.dataset.columns import Column
from stages.evaluation.truth import match_truth

KEY = Column(name="row", role="key", dtype="int")


def test_truth_of_several_files_comes_in_the_order_of_the_test_rows(tmp_path: Path) -> None:
    pl.DataFrame({"row": [1, 2], "p_true": [0.1, 0.2]}).write_parquet(tmp_path / "2026-01.parquet")
    pl.DataFrame({"row": [3, 4], "p_true": [0.3, 0.4]}).write_parquet(tmp_path / "2026-02.parquet")
    p_true, note = match_truth(pl.DataFrame({"row": [4, 1, 3]}), KEY, tmp_path)
    np.testing.assert_array_equal(p_true, [0.4, 0.1, 0.3])
    assert "is known" in note


def test_no_files_no_key_and_missing_rows_are_each_told_apart(tmp_path: Path) -> None:
    test_df = pl.DataFrame({"row": [1, 9]})
    assert match_truth(test_df, KEY, tmp_path / "absent") == (
        None,
        "The true click probabilities of this data set are not known.",
    )
    pl.DataFrame({"row": [1], "p_true": [0.1]}).write_parquet(tmp_path / "a.parquet")
    assert "no column has role key" in match_truth(test_df, None, tmp_path)[1]
    p_true, note = match_truth(test_df, KEY, tmp_path)
    assert p_true is None
    assert "known for 1 of 2 test rows only" in note


def test_two_truths_for_one_row_are_refused(tmp_path: Path) -> None:
    pl.DataFrame({"row": [1, 1], "p_true": [0.1, 0.2]}).write_parquet(tmp_path / "a.parquet")
    with pytest.raises(ValueError, match="row 1 has two true probabilities"):
        match_truth(pl.DataFrame({"row": [1]}), KEY, tmp_path)


def test_a_file_without_p_true_is_refused(tmp_path: Path) -> None:
    pl.DataFrame({"row": [1]}).write_parquet(tmp_path / "a.parquet")
    with pytest.raises(ValueError, match="must have the columns row and p_true, got row"):
        match_truth(pl.DataFrame({"row": [1]}), KEY, tmp_path)
