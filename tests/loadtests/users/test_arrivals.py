"""When requests are due: at the rate, divided among processes, the same for the same seed."""

import numpy as np
import pytest

from loadtests.settings import load_settings
from loadtests.users.arrivals import due_s


def due(index: int = 0, *overrides: str) -> np.ndarray:
    return np.array([*due_s(load_settings("open", ["warmup_s=1", "seconds=9", *overrides]), index)])


def test_constant_arrivals_of_all_processes_together_have_the_same_gap():
    three = [due(index, "rate=30", "arrivals=constant", "processes=3") for index in range(3)]
    assert [len(part) for part in three] == [100, 100, 100]
    assert np.sort(np.concatenate(three)) == pytest.approx(np.arange(300) / 30)


def test_poisson_arrivals_come_at_the_rate_and_are_spread_as_such():
    moments = due(0, "rate=1000")
    gaps = np.diff(moments)
    assert abs(len(moments) - 10_000) < 5 * np.sqrt(10_000)
    assert gaps.min() > 0 and moments[-1] < 10 and gaps.std() / gaps.mean() == pytest.approx(1, abs=0.05)
    assert np.corrcoef(gaps[1:], gaps[:-1])[0, 1] == pytest.approx(0, abs=0.05)


def test_the_seed_decides_and_processes_differ():
    assert np.array_equal(due(0, "seed=4", "processes=2"), due(0, "seed=4", "processes=2"))
    assert not np.array_equal(due(0, "seed=4")[:50], due(0, "seed=5")[:50])
    assert not np.array_equal(due(0, "processes=2")[:50], due(1, "processes=2")[:50])


@pytest.mark.parametrize("arrivals", ["constant", "poisson"])
def test_stages_have_their_own_rates(arrivals):
    stages = "stages=[{seconds: 4, rate: 100}, {seconds: 5, rate: 1000}]"
    moments = due(0, stages, "rate=null", "seconds=null", f"arrivals={arrivals}")
    slow, fast = (moments < 5).sum(), ((moments >= 5) & (moments < 10)).sum()
    assert slow == pytest.approx(500, abs=100) and fast == pytest.approx(5000, abs=350) and slow + fast == len(moments)
    assert (np.diff(moments) > 0).all()
