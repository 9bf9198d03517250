"""What was measured is held against its limits; figures computed by hand."""

from dataclasses import replace

import numpy as np
import pytest

from loadtests.settings import load_settings
from loadtests.verdicts.thresholds import judge, measure
from tests.loadtests.sampled import samples, window

NONE = replace(
    load_settings("smoke", []).thresholds,
    p99_ms=None, rows_per_s=None, error_share=None, overloaded_share=None, refused_share=None,
)  # fmt: skip


def judged(found: np.ndarray, seconds: float = 10, **limits: float) -> dict:
    checks = judge(measure(found, window(seconds)), replace(NONE, **limits))
    return {check.name: check for check in checks}


def with_malformed(found: np.ndarray, places: list[int]) -> np.ndarray:
    found["malformed"][places] = True
    return found


def test_nothing_is_judged_where_no_limit_is_set():
    assert judged(samples(10)) == {}


def test_a_percentile_is_met_or_missed_and_says_how_sure_it_is():
    found = samples(1000, due=np.linspace(0, 9, 1000), latency_ms=np.arange(1, 1001))
    check = judged(found, p95_ms=950.1)["p95_ms"]
    assert check.met and check.measured == pytest.approx(950) and check.low < 950 < check.high
    assert "950.00 ms [" in str(check) and "(1,000 answered requests); at most 950.1: met" in str(check)
    assert not judged(found, p95_ms=949.9)["p95_ms"].met


def test_a_percentile_that_so_few_requests_cannot_claim_is_missed():
    check = judged(samples(100), p99_ms=1000)["p99_ms"]
    assert not check.met and "not claimed (100 answered requests, too few); at most 1000: MISSED" in str(check)


def test_wrong_answers_have_a_latency_and_refusals_have_none():
    outcome = ["ok"] * 400 + ["wrong"] * 200 + ["overloaded"] * 200
    found = samples(800, due=np.linspace(0, 9, 800), outcome=outcome, latency_ms=np.repeat([1, 5, 9], [400, 200, 200]))
    checks = judged(found, p50_ms=1, overloaded_p95_ms=8)
    assert checks["p50_ms"].measured == pytest.approx(1) and "600 answered requests" in checks["p50_ms"].reason
    assert checks["overloaded_p95_ms"].measured == pytest.approx(9) and not checks["overloaded_p95_ms"].met


def test_rates_count_what_was_answered_rightly_within_the_window():
    found = samples(4, due=[0, 4, 8, 9.5], rows=[10, 20, 40, 80], outcome=["ok", "wrong", "ok", "ok"], latency_ms=1000)
    checks = judged(found, rows_per_s=5, requests_per_s=0.3)
    assert checks["rows_per_s"].measured == 5 and checks["rows_per_s"].met  # the last was done after the end
    assert checks["requests_per_s"].measured == 0.2 and not checks["requests_per_s"].met


def test_every_kind_of_error_counts_and_a_full_queue_counts_for_itself():
    outcome = ["wrong", "answered_malformed", "failed", "unknown", "unsent", "overloaded", "ok", "refused"]
    checks = judged(samples(8, outcome=outcome), error_share=0.6, overloaded_share=0.125)
    assert checks["error_share"].measured == 5 / 8 and not checks["error_share"].met
    assert "5 of 8 requests, 1 wrong, 1 answered_malformed, 1 failed, 1 unknown, 1 unsent" in str(checks["error_share"])
    assert checks["overloaded_share"].measured == 1 / 8 and checks["overloaded_share"].met


def test_refused_share_is_of_the_malformed_requests_that_a_model_got_to_see():
    outcome = ["refused", "answered_malformed", "refused", "overloaded", "unsent", "ok"]
    found = with_malformed(samples(6, outcome=outcome), [0, 1, 2, 3, 4])
    check = judged(found, refused_share=1)["refused_share"]
    assert check.measured == pytest.approx(2 / 3) and not check.met and "2 of 3 malformed requests" in check.reason


def test_a_run_without_a_single_request_keeps_no_limit():
    checks = judged(samples(0), p50_ms=1, rows_per_s=1, error_share=0.5)
    assert len(checks) == 3 and not any(check.met for check in checks.values())


def test_a_check_is_written_down_with_its_verdict():
    values = judged(samples(10), error_share=0)["error_share"].as_values()
    assert values["met"] is True and (values["measured"], values["limit"], values["at_least"]) == (0.0, 0.0, False)
