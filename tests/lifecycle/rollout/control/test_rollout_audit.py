"""Every verdict that was kept comes out the same again, from rows or from its sums, or the audit says where it differs."""

from dataclasses import replace

import pytest

from contracts.lifecycle.rollout import RolloutConfig
from lifecycle.rollout.control.audit import Audited, audited, difference
from lifecycle.rollout.control.files import Decision
from lifecycle.rollout.judgement import Interval, Judgement, MetricVerdict
from tests.lifecycle.rollout.control.controlled_world import judged, mismatch

BOTH = Interval(estimate=0.01, low=-0.02, high=0.04)
METRIC = MetricVerdict(
    metric="log_loss",
    verdict="open",
    both=BOTH,
    own=None,
    other=BOTH,
    interaction=BOTH,
    rows=500,
    units=400,
    clicks=40,
    reason="so",
)
KEPT = judged("hold", metrics=(METRIC,), ratios=(mismatch(),), sums={"z": 1.5})


def audit_of(kept: Judgement, today: list[Judgement], verdict: str = "hold") -> list[Audited]:
    def from_sums(sums, config):
        assert sums == kept.sums
        return replace(kept, verdict=verdict)

    lines = [Decision(at_ns=1, step=0, action="begin"), Decision(at_ns=2, step=1, action="hold", judgement=kept)]
    return audited(lines, today, from_sums, RolloutConfig.__new__(RolloutConfig))


def test_a_verdict_comes_out_the_same_from_its_rows():
    (found,) = audit_of(KEPT, [judged("hold", day=3), replace(KEPT, reasons=("in other words",))])
    assert (found.way, found.difference) == ("rows", "")
    assert found.line("r") == "r 2027-03-05 00:00 hold, 500 rows, hold: the same, from rows"


@pytest.mark.parametrize(
    ("today", "said"),
    [
        (replace(KEPT, verdict="promote"), "verdict: it was hold, and is promote now"),
        (replace(KEPT, metrics=()), "metrics: there were 1, and are 0 now"),
        (
            replace(KEPT, metrics=(replace(METRIC, both=None),)),
            "metrics.0.both: it was {'estimate': 0.01, ",
        ),
        (
            replace(KEPT, metrics=(replace(METRIC, both=replace(BOTH, low=-0.02 + 3e-9)),)),
            "metrics.0.both.low: it was -0.02, and is -0.019999997",
        ),
        (replace(KEPT, ratios=(replace(mismatch(), champion=9001),)), "ratios.0.champion: it was 9000, and is 9001 now"),
        (replace(KEPT, sums={"z": 1.5, "y": 0}), "sums: it has ['z'], and now ['y', 'z']"),
        (replace(KEPT, sums={"z": float("nan")}), "sums.z: it was 1.5, and is nan now"),
    ],
)
def test_what_differs_is_said_with_its_place(today, said):
    (found,) = audit_of(KEPT, [today])
    assert found.way == "rows" and found.difference.startswith(said)
    assert not found.is_same and "DIFFERS (from rows): " in found.line("r")


def test_rounding_is_no_difference():
    nearly = replace(KEPT, metrics=(replace(METRIC, both=replace(BOTH, low=-0.02 + 1e-12)),))
    assert difference(KEPT, nearly) == "" and difference(replace(KEPT, rows=501), KEPT) == "rows: it was 501, and is 500 now"


@pytest.mark.parametrize("today", [[], [replace(KEPT, rows=499)], [replace(KEPT, until_ns=KEPT.until_ns + 1)]])
def test_where_rows_are_erased_the_sums_say_it(today):
    (found,) = audit_of(KEPT, today)
    assert (found.way, found.is_same) == ("sums", True)
    (other,) = audit_of(KEPT, today, verdict="back")
    assert (other.way, other.difference) == ("sums", "verdict: it was hold, and is back now")


def test_without_rows_and_sums_nothing_is_claimed():
    (found,) = audit_of(replace(KEPT, sums={}), [])
    assert (found.way, found.difference) == ("neither", "its rows are gone, and no sums were kept")
