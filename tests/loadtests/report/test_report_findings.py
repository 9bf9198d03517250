import numpy as np
import polars as pl
import pytest

from loadtests.observation.observed import MISSING, Observations, with_cores, with_load, with_rates
from loadtests.report.findings import cautions, share_interval, summary, verdict
from loadtests.report.measured import good, latency_ms, sending
from loadtests.report.server import client_saturation, models
from loadtests.verdicts.latency import quantile
from tests.loadtests.sampled import samples, window


def check(name, met):
    return {"name": name, "met": met}


def seen(client_cores=0.5, busy=1.0, stolen=0.0, failed=()):
    """Two looks, a second apart, at a machine of two cores."""
    processes = pl.DataFrame(
        [(1.0, "client", 2, 0.0, 9.0, 1.0, 1.0), (2.0, "client", 2, client_cores, 9.0, 1.0, 1.0)],
        schema=["at_s", "group", "pid", "cpu_s", "age_s", "rss_mib", "pss_mib"],
        orient="row",
    )
    machine = pl.DataFrame({"at_s": [1.0, 2.0], "cores": 2, "busy_s": [0.0, busy], "stolen_s": [0.0, stolen]})
    rows = [
        (at, f"nv_inference_{name}", "model=ctr,version=1", value * (at - 1))
        for at in (1.0, 2.0)
        for name, value in (("request_success", 10.0), ("request_duration_us", 40_000.0), ("queue_duration_us", 15_000.0))
    ]
    metrics = pl.DataFrame(rows, schema=["at_s", "name", "labels", "value"], orient="row")
    return Observations(
        metrics=with_rates(metrics),
        processes=with_cores(processes),
        machine=with_load(machine),
        missing=pl.DataFrame([*failed], schema=MISSING, orient="row"),
    )


def warned(found, observed=None, completed=True):
    observed = seen() if observed is None else observed
    p50 = quantile(latency_ms(good(found)), 0.5)
    return " ".join(cautions(found, sending(found), p50, observed, client_saturation(observed.processes), completed))


@pytest.mark.parametrize(
    ("checks", "completed", "word", "said"),
    [
        ([check("p99_ms", True), check("error_share", True)], True, "passed", "all 2"),
        ([check("p99_ms", True), check("rows_per_s", False)], True, "failed", "broken, 1 of 2: rows a second"),
        ([check("p99_ms", None), check("error_share", True)], True, "not judged", "1 of 2: p99"),
        ([check("p99_ms", None), check("error_share", False)], True, "failed", "error share"),
        ([], True, "not judged", "No threshold"),
        ([check("p99_ms", True)], False, "not judged", "cut short"),
        ([check("p99_ms", False)], False, "not judged", "Broken until then: p99"),
    ],
)
def test_the_verdict_follows_from_the_thresholds(checks, completed, word, said):
    found = verdict(checks, completed)
    assert found.word == word and said in found.sentence


def test_a_good_run_has_no_caution():
    assert warned(samples(1000)) == ""


def test_arrivals_that_were_not_sent_are_said_with_their_share():
    assert "50 of 1,000 requests that were due (5.0 %) were not sent" in warned(
        samples(1000, outcome=["ok"] * 950 + ["unsent"] * 50)
    )


@pytest.mark.parametrize(("cores", "saturated"), [(0.89, False), (0.9, True), (1.7, True)])
def test_a_saturated_client_is_said_from_ninety_percent_of_a_core_on(cores, saturated):
    said = "The load generator was saturated at 1 of 1 looks"
    assert (said in warned(samples(1000), seen(client_cores=cores, busy=1.75))) == saturated


def test_late_sends_are_said_if_they_matter_for_the_latency():
    late = "One request in a hundred was sent 3.00 ms or more after it was due"
    assert late in warned(samples(1000, late_ms=3, latency_ms=10))
    assert late not in warned(samples(1000, late_ms=3, latency_ms=1000))


def test_requests_without_a_good_answer_are_said():
    found = samples(1000, outcome=["ok"] * 900 + ["failed"] * 70 + ["overloaded"] * 30)
    assert "Of 1,000 requests 70 had no right answer and 30 were turned away by the full queue" in warned(found)


def test_a_full_machine_is_said_with_what_others_used():
    said = warned(samples(1000), seen(client_cores=0.5, busy=1.95))
    assert (
        "no core to spare at 1 of 2 looks" in said and "Of 1.95 busy cores on average, 1.45 were used by other programs" in said
    )


def test_stolen_time_is_said():
    assert "took 0.300 of 2 cores away" in warned(samples(1000), seen(stolen=0.3))


def test_what_could_not_be_observed_is_said():
    failed = [(1.5, "metrics", "HTTP 500"), (1.6, "server", "not found")]
    said = warned(samples(1000), seen(failed=failed))
    assert "could not be read 1 times (HTTP 500)" in said and "Not observed, because not found or not permitted: server" in said


def test_a_run_that_nobody_watched_and_that_was_cut_short_says_both():
    nothing = Observations(**{name: getattr(seen(), name).clear() for name in ("metrics", "processes", "machine", "missing")})
    said = warned(samples(1000), nothing, completed=False)
    assert "cut short" in said and "metrics were not observed" in said and "nobody knows whether it was saturated" in said


def test_the_summary_by_hand():
    found = samples(1000, due=np.arange(1000) / 100, latency_ms=8, late_ms=1, rows=3)
    observed = seen()
    said = summary(found, window(10.0), sending(found), models(observed.metrics), client_saturation(observed.processes))
    assert said == [
        "1,000 requests were due within 10 s; 1,000 were answered well, 100 requests and 300 rows a second.",
        "Requests left 1.00 ms (p50) and 1.00 ms (p99) after they were due, 1.00 ms at most; 0 were not sent.",
        "Of 8.00 ms that a good answer took on average, Triton counts 4.00 ms for model ctr, 1.50 ms of it in the queue; "
        "the rest is network, protocol and client.",
        "No process of the load generator was at its own limit: the busiest used 0.500 of a core at most.",
    ]


def test_users_who_wait_are_said_to_ask_a_slow_server_less():
    found, observed = samples(1000), seen()
    said = summary(found, window(1000.0), sending(found), models(observed.metrics), client_saturation(observed.processes))
    assert said[1].startswith("Users waited for an answer before they asked again")


def test_intervals_of_shares_are_those_of_wilson():
    assert share_interval(0, 1000) == pytest.approx((0, 0.003827), abs=1e-6)
    assert share_interval(10, 100) == pytest.approx((0.05523, 0.17437), abs=1e-5)
    assert share_interval(5, 5)[1] == 1.0 and share_interval(0, 0) is None
