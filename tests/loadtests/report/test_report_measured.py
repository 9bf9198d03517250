import numpy as np
import pytest

from loadtests.report.measured import histogram, over_time, part, parts, percentile_curve, sending, size_classes, step_length
from loadtests.verdicts.latency import quantile
from tests.loadtests.sampled import samples, window


def test_rates_count_what_was_due_and_what_ended_in_each_second():
    found = samples(
        6, due=[0.0, 0.5, 1.0, 1.2, 1.9, 2.5], latency_ms=[100, 700, 100, 100, 400, 900], outcome=["ok"] * 4 + ["failed", "ok"]
    )
    run = over_time(found, window(3.0))
    assert run.seconds_T.tolist() == [0, 1, 2] and run.step_s == 1 and run.end_s == 3
    assert run.intended_T.tolist() == [2, 3, 1]
    assert run.ended_T["ok"].tolist() == [1, 3, 0]  # the last one ended after the window
    assert run.ended_T["failed"].tolist() == [0, 0, 1]


def test_what_was_not_sent_was_due_but_never_ended():
    found = samples(4, due=[0.1, 0.2, 1.1, 1.2], outcome=["ok", "unsent", "unsent", "unsent"])
    found["done_s"][1:] = np.nan
    run = over_time(found, window(2.0))
    assert run.intended_T.tolist() == [2, 2] and run.ended_T == {"ok": pytest.approx([1, 0])}


def test_percentiles_of_a_second_by_hand_and_none_where_a_second_has_too_few():
    found = samples(
        120, due=[*np.linspace(0, 0.9, 100), *np.linspace(1, 1.9, 20)], latency_ms=[*range(100, 0, -1), *range(1, 21)]
    )
    run = over_time(found, window(2.0))
    assert run.latency_ms_T[0.5] == pytest.approx([50, 10])
    assert run.latency_ms_T[0.95] == pytest.approx([95, 19])
    assert run.latency_ms_T[0.99] == pytest.approx([99, np.nan], nan_ok=True)


def test_the_last_step_takes_what_is_left_of_the_window_and_rates_know_it():
    run = over_time(samples(3, due=[0.1, 1.1, 2.2]), window(2.4))
    assert run.intended_T == pytest.approx([1, 2 / 1.4])


def test_a_long_run_is_shown_in_longer_steps():
    assert [step_length(seconds) for seconds in (0.5, 400, 401, 1800, 86_400)] == [1, 1, 2, 5, 300]


def test_latencies_count_from_when_requests_were_due_and_only_good_answers_count():
    found = samples(3, late_ms=[5, 5, 5], latency_ms=[10, 20, 30], outcome=["ok", "ok", "failed"])
    one = part("all", found[found["outcome"] == 0], 10.0)
    assert (one.num_samples, one.per_s) == (2, 0.2)
    assert one.mean_ms == pytest.approx(15) and one.max_ms == pytest.approx(20)


def test_a_percentile_is_claimed_only_from_enough_samples():
    one = part("all", samples(500), 500.0)
    claimed = {found.q: found.ms for found in one.quantiles}
    assert claimed[0.5] == pytest.approx(10) and claimed[0.95] == pytest.approx(10)
    assert claimed[0.99] is None and claimed[0.9999] is None


def test_parts_by_kind_and_rows():
    found = samples(6, kind=["grpc", "grpc", "grpc", "http_json", "http_json", "http_json"], rows=[1, 1, 16, 1, 16, 16])
    sizes = {name: [(one.name, one.num_samples) for one in some] for name, some in parts(found, 6.0).items()}
    assert sizes["Kind"] == [("grpc", 3), ("http_json", 3)]
    assert sizes["Rows a request"] == [("1", 3), ("16", 3)]
    assert sizes["Kind and rows"] == [("grpc, 1", 2), ("grpc, 16", 1), ("http_json, 1", 1), ("http_json, 16", 2)]


def test_a_run_of_one_kind_and_one_size_has_no_parts():
    assert {name: len(some) for name, some in parts(samples(3), 3.0).items()} == {
        "Kind": 0,
        "Rows a request": 0,
        "Kind and rows": 0,
    }


def test_many_sizes_are_joined_to_powers_of_two():
    found = size_classes(np.arange(1, 20))
    assert {name: int(which.sum()) for name, which in found.items()} == {
        "1": 1,
        "2 to 3": 2,
        "4 to 7": 4,
        "8 to 15": 8,
        "16 to 31": 4,
    }


def test_the_curve_goes_through_the_quantiles_and_their_intervals():
    latencies = np.random.default_rng(0).lognormal(1, 1, 5000)
    curve = percentile_curve(latencies)
    for place in range(0, len(curve.nines), 37):
        q = 1 - 10.0 ** -curve.nines[place]
        found = quantile(latencies, q)
        if place < len(curve.nines) - 1 and found.ms is not None:
            assert (curve.ms[place], curve.low_ms[place], curve.high_ms[place]) == (found.ms, found.low_ms, found.high_ms)
        else:
            assert np.isnan(curve.high_ms[place]) or place == len(curve.nines) - 1
    assert curve.ms[-1] == latencies.max() and np.isnan(curve.high_ms[-1])
    assert np.isfinite(curve.high_ms).sum() > 200


def test_the_curve_of_one_and_of_no_request():
    assert percentile_curve(np.array([3.0])).ms.tolist() == [3.0]
    assert len(percentile_curve(np.empty(0)).ms) == 0


def test_the_histogram_counts_every_latency_also_a_zero():
    counts, edges = histogram(np.array([0.0, 1.0, 10.0, 10.0, 1000.0]))
    assert counts.sum() == 5 and len(edges) == len(counts) + 1
    assert edges[1] / edges[0] == pytest.approx(edges[-1] / edges[-2])


def test_lateness_is_of_what_was_sent():
    late = [*range(1, 999), 5000, 5000]
    found = sending(samples(1000, late_ms=late, latency_ms=9000, outcome=["ok"] * 998 + ["unsent"] * 2))
    assert (found.num_sent, found.num_not_sent) == (998, 2)
    assert found.late_ms[0].ms == pytest.approx(499, abs=0.01) and found.late_ms[1].ms == pytest.approx(989, abs=0.01)
    assert found.max_late_ms == pytest.approx(998, abs=0.01) and found.late_ms[2].ms is None
