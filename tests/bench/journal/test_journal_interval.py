"""The interval of a median that decides whether a workload became slower with a journal."""

import numpy as np
import pytest

from bench.journal.cost import interval_of_median


def test_twelve_values_leave_out_two_at_each_end():
    """Of 12 at most 2 lie below the median in 2 * 79 / 4096 of the samples: 3.9 %; at most 3 in 14.6 %."""
    assert interval_of_median([12.0, 1.0, 11.0, 2.0, 10.0, 3.0, 9.0, 4.0, 8.0, 5.0, 7.0, 6.0]) == (3.0, 10.0)


@pytest.mark.parametrize("number", [1, 2, 5, 6])
def test_few_values_give_all_of_them(number):
    values = [float(value) for value in range(number)]
    assert interval_of_median(values) == (0.0, number - 1.0)


def test_it_holds_the_median_nineteen_times_in_twenty():
    rng = np.random.default_rng(3)
    inside = 0
    for sample in rng.lognormal(size=(4000, 12)):  # the median is 1
        low, high = interval_of_median(sample.tolist())
        inside += low <= 1.0 <= high
    assert 0.95 <= inside / 4000 <= 0.975
