"""The bootstrap: reproducible, paired, and as wide as it should be."""

import numpy as np
import pytest

from stages.evaluation.bootstrap import Resampler
from stages.evaluation.ranking import Ranking


def resampler(num_rows: int, **changes: object) -> Resampler:
    settings = {"num_rows": num_rows, "num_resamples": 300, "seed": 0, "num_threads": 2} | changes
    return Resampler(**settings)


def clicks(num_rows: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    p_click = rng.beta(1, 15, num_rows)
    return (rng.random(num_rows) < p_click).astype(float), p_click


def test_a_draw_has_as_many_rows_as_the_data_and_depends_on_seed_and_replicate_only() -> None:
    one = resampler(500)
    assert one.weight(7).sum() == 500
    np.testing.assert_array_equal(one.weight(7), resampler(500, num_threads=1).weight(7))
    assert (one.weight(7) != one.weight(8)).any()
    assert (one.weight(7) != resampler(500, seed=1).weight(7)).any()


def test_threads_do_not_change_the_replicates() -> None:
    ranking = Ranking(*clicks(2000, 1))
    one = resampler(2000, num_threads=1).replicate(ranking)
    two = resampler(2000, num_threads=2).replicate(ranking)
    for key, values in one.items():
        np.testing.assert_array_equal(values, two[key])


def test_log_loss_interval_is_as_wide_as_the_central_limit_theorem_says() -> None:
    label, p_click = clicks(20_000, 2)
    ranking = Ranking(label, p_click)
    drawn = resampler(20_000).replicate(ranking)["loss"][:, 0] / 20_000
    assert drawn.std() == pytest.approx(ranking.columns["loss"].std() / np.sqrt(20_000), rel=0.1)


def test_same_draws_make_the_difference_of_two_models_much_narrower() -> None:
    label, p_click = clicks(20_000, 3)
    other = np.clip(p_click * 1.05, 0, 1)
    one = resampler(20_000).replicate(Ranking(label, p_click))["loss"][:, 0]
    two = resampler(20_000).replicate(Ranking(label, other))["loss"][:, 0]
    assert (one - two).std() < 0.1 * one.std()


def test_drawing_whole_users_keeps_their_rows_together_and_widens_the_interval() -> None:
    rng = np.random.default_rng(4)
    user = np.repeat(np.arange(200), 50)
    label = np.repeat(rng.random(200) < 0.1, 50).astype(float)
    p_click = np.full(10_000, 0.1)
    by_user = resampler(10_000, unit=user, num_units=200)
    weight = by_user.weight(0)
    assert all(len(set(weight[user == code])) == 1 for code in range(5))
    ranking = Ranking(label, p_click)
    rows = resampler(10_000).replicate(ranking)["clicks"].std()
    users = by_user.replicate(ranking)["clicks"].std()
    assert users == pytest.approx(rows * np.sqrt(50), rel=0.2)
