"""What a look makes of rows: a judgement a day, whatever was said before; and steps that nobody hears of."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from lifecycle.rollout.__main__ import parse
from lifecycle.rollout.control.audit import audited
from lifecycle.rollout.control.files import Decision
from lifecycle.rollout.control.observe import silence, waits_of
from lifecycle.rollout.evidence.gather import RolloutEvidence
from lifecycle.rollout.statistics.judge import judge, judge_sums
from tests.lifecycle.rollout.statistics.simulated_pairs import STEPS, assigned, settings, simulated

GOOD_DAYS = 20


@pytest.fixture(scope="module")
def pairs() -> pl.DataFrame:
    """Of a challenger that is as good as the champion, and much worse from the 21st day on."""
    good, bad = simulated(1, days=GOOD_DAYS, pages=2000), simulated(2, days=12, pages=2000, noise=1.5)
    return pl.concat([good, bad.with_columns(pl.col("answered_at").dt.offset_by(f"{GOOD_DAYS}d"))])


def test_what_speaks_against_it_after_a_verdict_to_promote_is_heard(pairs):
    config = settings(need="not_worse", margin=0.02)
    found = judge(pairs, assigned(pairs), STEPS, config)
    verdicts = [one.verdict for one in found]
    first = verdicts.index("promote")
    assert first < GOOD_DAYS and set(verdicts[:first]) <= {"hold"} and verdicts[GOOD_DAYS - 1] == "promote"
    assert verdicts[-1] == "back" and len(found) > GOOD_DAYS
    days = [np.datetime64(one.until_ns, "ns").astype("datetime64[D]") for one in found]
    assert len(set(days)) == len(days)


def test_days_that_come_later_change_no_verdict_and_the_audit_finds_them_all(pairs):
    config = settings(need="not_worse", margin=0.02)
    early = pairs.filter(pl.col("answered_at") < pairs["answered_at"][0] + pl.duration(days=10))
    kept = [Decision(at_ns=1, step=1, action="hold", judgement=one) for one in judge(early, assigned(early), STEPS, config)]
    today = judge(pairs, assigned(pairs), STEPS, config)
    assert len(kept) >= 9
    assert [(one.way, one.difference) for one in audited(kept[:9], today, judge_sums, config)] == [("rows", "")] * 9
    assert [(one.way, one.difference) for one in audited(kept, [], judge_sums, config)] == [("sums", "")] * len(kept)


@pytest.mark.parametrize(("labelled", "days", "waits"), [(0, 4.9, 0), (0, 5.1, 1), (1, 50, 0)])
def test_a_step_without_labels_waits_for_traffic_once_they_should_be_there(labelled, days, waits):
    found = silence(labelled, days, maturity_h=72)
    assert [one.kind for one in found] == ["traffic"] * waits
    assert not waits or found[0].sentence.startswith("after 5.1 days no row of this step has a final label: nobody asks")


@pytest.mark.parametrize(("lacking", "kinds"), [(0.05, []), (0.0501, ["lacking"]), (1.0, ["lacking"])])
def test_the_verdict_waits_where_the_other_release_cannot_be_asked_about_more_than_one_row_in_twenty(lacking, kinds, tmp_path):
    evidence = RolloutEvidence(folder=tmp_path, days=(), labelled={}, lacking=lacking, feed="")
    found = waits_of(evidence, settings(max_lacking=0.05))
    assert [one.kind for one in found] == kinds
    assert all("of the labelled rows lack the other release's probability, at most 5% may" in one.sentence for one in found)
    late = waits_of(replace(evidence, feed="labels are late"), settings(max_lacking=0.05))
    assert [one.kind for one in late] == ["labels", *kinds]


def test_words_of_the_command():
    assert parse(["--why", "x", "--", "begin 13"]).words == ["begin", "13"]
