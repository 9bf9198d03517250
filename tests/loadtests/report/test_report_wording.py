import numpy as np
import pytest

from loadtests.report.wording import duration, flat, ms, number, percent, percentile, quantile_cell
from loadtests.verdicts.latency import quantile


@pytest.mark.parametrize(
    ("share", "shown"),
    [
        (0.0, "0 %"),
        (1.0, "100 %"),
        (0.123, "12 %"),
        (0.00123, "0.12 %"),
        (0.9987, "99.87 %"),
        (0.99999, "99.9990 %"),
        (None, "–"),
    ],
)
def test_shares_keep_two_digits_that_count(share, shown):
    assert percent(share) == shown and percent(None) == "–"


@pytest.mark.parametrize(
    ("value", "shown"),
    [(0, "0"), (1234.5, "1,234"), (99.96, "100"), (12.34, "12.3"), (1.234, "1.23"), (0.012, "0.012"), (0.0004, "<0.001")],
)
def test_numbers_keep_three_digits_that_count(value, shown):
    assert number(value) == shown


def test_units_and_names():
    assert (ms(1.5), ms(None), number(None)) == ("1.50 ms", "–", "–")
    assert [percentile(q) for q in (0.5, 0.99, 0.999, 0.9999)] == ["p50", "p99", "p99.9", "p99.99"]
    assert [percentile(1 - 10.0**-nines) for nines in range(1, 7)] == ["p90", "p99", "p99.9", "p99.99", "p99.999", "p99.9999"]
    assert [duration(s) for s in (0.5, 12.34, 60, 125, 3600, 3780)] == [
        "0.5 s",
        "12.3 s",
        "1 min",
        "2 min 5 s",
        "1 h",
        "1 h 3 min",
    ]


def test_a_percentile_of_too_few_requests_says_so_instead_of_a_number():
    cell = quantile_cell(quantile(np.full(500, 7.0), 0.99))
    assert "too few" in cell and "500 requests are too few for p99" in cell and "7.0" not in cell


def test_a_percentile_is_shown_with_its_interval():
    # 1.96 times the square root of 1000 * 0.5 * 0.5 is 30.99: the 469th and the 532nd smallest
    assert quantile_cell(quantile(np.arange(1.0, 1001.0), 0.5)) == '500 <span class="interval">[469, 532]</span>'


def test_settings_are_shown_flat():
    values = {"seed": 0, "kinds": {"grpc": 0.5}, "stages": [{"seconds": 3.0, "users": 4, "rate": None}], "host": None}
    assert flat(values) == [("seed", "0"), ("kinds.grpc", "0.5"), ("stages", "seconds 3.0, users 4"), ("host", "–")]
