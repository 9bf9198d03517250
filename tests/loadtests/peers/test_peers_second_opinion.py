"""What perf_analyzer found, as the comparison counts it."""

from types import SimpleNamespace

import pytest

from loadtests.peers.second_opinion import sender
from tests.loadtests.sampled import samples, window


def analyzer(outcomes: list[str]) -> SimpleNamespace:
    """Stands in for a PerfAnalyzer: latencies of 1 to 5 ms within ten seconds."""
    found = samples(5, outcome=outcomes, latency_ms=[1.0, 2.0, 3.0, 4.0, 5.0])
    asked = []

    def closed(clients: int, seconds: float, warmup_s: float) -> SimpleNamespace:
        asked.append((clients, seconds, warmup_s))
        return SimpleNamespace(samples=found, window=window(10.0))

    return SimpleNamespace(closed=closed, asked=asked)


def test_right_answers_are_requests_and_all_others_errors() -> None:
    stand_in = analyzer(["ok", "ok", "ok", "wrong", "ok"])
    found = sender(stand_in, 16)(4.0)
    assert stand_in.asked == [(16, 4.0, 0.0)]
    assert (found.requests, found.errors, found.seconds, found.p50_ms) == (4, 1, 10.0, pytest.approx(2.5))
    assert found.p99_ms == pytest.approx(4.94)


def test_no_right_answer_is_no_measurement() -> None:
    with pytest.raises(ValueError, match="no right answer within 4 s"):
        sender(analyzer(["wrong"] * 5), 1)(4.0)
