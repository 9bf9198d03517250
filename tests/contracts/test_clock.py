"""The clock of all that comes after a model is served: the machine's, or a simulated one."""

import time
from datetime import UTC, datetime, timedelta, timezone

import pytest

from contracts.clock import CLOCK, Clock, clock, simulated

START = datetime(2026, 1, 1, tzinfo=UTC)


def test_months_pass_in_minutes_and_every_process_agrees(monkeypatch):
    fast = simulated(START, rate=43_200)
    monkeypatch.setenv(CLOCK, fast.variable())
    assert clock() == fast and START <= fast.now() < START + timedelta(days=1)
    monkeypatch.setattr(time, "time_ns", lambda: fast.from_ns + 60 * 10**9)
    assert fast.now() == clock().now() == START + timedelta(days=30)


def test_without_a_word_it_is_the_machines_time(monkeypatch):
    monkeypatch.delenv(CLOCK, raising=False)
    monkeypatch.setattr(time, "time_ns", lambda: 1_800_000_000_123_456_789)
    assert clock().now_ns() == 1_800_000_000_123_456_789
    assert clock().now().isoformat() == "2027-01-15T08:00:00.123456+00:00"


def test_a_clock_that_would_run_out_of_its_numbers_stands_still():
    assert Clock(start_ns=1, from_ns=0, rate=10_000_000).now().year == 2255


@pytest.mark.parametrize("text", ["", "1 2", "1 2 0", "1 2 3 4", "x 2 3", "-1 2 3", "1 2 10000001"])
def test_an_environment_that_is_not_understood_is_told(monkeypatch, text):
    monkeypatch.setenv(CLOCK, text)
    with pytest.raises(ValueError, match="ADCLICK_CLOCK is not understood: expected 'START_NS FROM_NS RATE', got"):
        clock()


def test_a_start_without_an_offset_and_a_rate_out_of_range_are_refused():
    with pytest.raises(ValueError, match="offset from UTC, got 2026-01-01T00:00:00"):
        simulated(datetime(2026, 1, 1), 10)
    with pytest.raises(ValueError, match="1 to 10000000 times as fast, got 0"):
        simulated(START, 0)
    east = simulated(datetime(2026, 1, 1, 2, tzinfo=timezone(timedelta(hours=2))), 1)
    assert east.start_ns == simulated(START, 1).start_ns
