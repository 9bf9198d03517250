"""Differences row by row, by hand: means, the largest, the order that users see, and the sample of whole users."""

import numpy as np
import polars as pl
import pytest

from stages.comparing import rows as rows_module
from stages.comparing.pairs import ScoredPiece
from stages.comparing.rows import RowDifferences


def odds(*log_odds: float) -> np.ndarray:
    return (1 / (1 + np.exp(-np.array(log_odds)))).astype(np.float64)


def piece(start: int, users: list[str], before: np.ndarray, now: np.ndarray) -> ScoredPiece:
    frame = pl.DataFrame({"user": users})
    return ScoredPiece(
        start=start, rows=frame, label_N=np.zeros(len(users)), champion_N=before, candidate_N=now, old_requests_N=None
    )  # fmt: skip


def numbers(users: list[str]) -> np.ndarray:
    return pl.Series(users).hash(0).to_numpy()


def test_differences_of_six_rows_by_hand():
    found = RowDifferences(["user"], by_user=True)
    for start, users, before, now in (
        (0, ["a", "a", "b", "b"], odds(0, 1, 0, 1), odds(1, 0, 0.5, 1.5)),
        (4, ["c", "a"], odds(2, 5), odds(2, 5)),
    ):
        found.add(piece(start, users, before, now), numbers(users))
    summary = found.summary()
    assert summary["mean"] == pytest.approx((1 - 1 + 0.5 + 0.5) / 6, abs=1e-6)
    assert summary["mean_size"] == pytest.approx(3 / 6, abs=1e-6)
    assert summary["std"] == pytest.approx(np.std([1, -1, 0.5, 0.5, 0, 0]), abs=1e-6)
    assert summary["users"] == {"number": 2, "order_changes": 0.5, "best_changes": 0.0}  # a's two rows turn; its best stays
    assert [(one["row"], one["user"]) for one in summary["largest"]][:2] == [(0, "a"), (1, "a")]
    assert summary["largest"][0]["difference"] == pytest.approx(1, abs=1e-6)
    assert summary["quantiles"]["0.5"] == pytest.approx(0.25, abs=1e-6)


def test_another_best_row_counts_and_ties_do_not():
    found = RowDifferences(["user"], by_user=True)
    users = ["a", "a", "b", "b"]
    found.add(piece(0, users, odds(0, 1, 2, 2), odds(1, 0, 3, 1)), numbers(users))
    assert found.summary()["users"] == {"number": 2, "order_changes": 0.5, "best_changes": 1.0}


def test_beyond_the_limit_whole_users_are_sampled_and_means_stay_those_of_all_rows(monkeypatch):
    monkeypatch.setattr(rows_module, "SAMPLE_ROWS", 300)
    rng = np.random.default_rng(4)
    users = [f"u{i}" for i in rng.integers(0, 200, 2000)]
    before, now = odds(*rng.normal(size=2000)), odds(*rng.normal(size=2000))
    found = RowDifferences(["user"], by_user=True)
    for start in range(0, 2000, 500):
        part = slice(start, start + 500)
        found.add(piece(start, users[part], before[part], now[part]), numbers(users[part]))
    summary = found.summary()
    assert summary["rows"] == 2000 and 50 < summary["sampled_rows"] <= 300
    kept = np.concatenate(found._sample, axis=1)[0].view(np.uint64)
    assert len(kept) == np.isin(numbers(users), kept).sum()  # of a user in the sample every row
    assert summary["mean"] == pytest.approx(float((np.log(now / (1 - now)) - np.log(before / (1 - before))).mean()), abs=1e-6)
    assert abs(summary["rank_correlation"]) < 0.3
