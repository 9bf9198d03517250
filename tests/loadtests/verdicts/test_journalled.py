"""What clients received is held against what the server says that it has written, and lost."""

import numpy as np
import pytest

from loadtests.verdicts.journalled import LOST, WRITTEN, journal_checks, journal_counts
from loadtests.verdicts.samples import OUTCOMES, Recorded
from tests.loadtests.observation.metrics_page import metrics_page

PAGE = """# TYPE adclick_journal_lost_total counter
adclick_journal_lost_total{model="ctr",version="1",what="requests"} 2
adclick_journal_lost_total{model="ctr",version="1",what="rows"} 9
adclick_journal_total{model="ctr",version="1",what="requests"} 40
adclick_journal_total{model="ctr_careful",version="1",what="requests"} 5
adclick_journal_total{model="ctr",version="1",what="rows"} 400
"""


def recorded(**outcomes: int) -> Recorded:
    found = [(OUTCOMES.index(name),) for name, number in outcomes.items() for _ in range(number)]
    return Recorded(samples=np.array(found, dtype=[("outcome", "u1")]), reasons={}, versions={}, first_s=0.0, last_s=0.0)


def test_counts_are_of_requests_and_of_all_models():
    with metrics_page() as page:
        page.text = PAGE
        assert journal_counts(page.url) == {WRITTEN: 45, LOST: 2}
        page.text = PAGE.replace("journal_lost", "other")
        assert journal_counts(page.url) is None
    assert journal_counts("http://127.0.0.1:9/metrics") is None


@pytest.mark.parametrize(("written", "lost", "missing"), [(12, 0, 0), (15, 0, 0), (11, 1, 0), (11, 0, 1), (2, 3, 7)])
def test_received_answers_are_written_or_lost(written, lost, missing):
    found = journal_checks(
        {WRITTEN: 100.0, LOST: 7.0}, {WRITTEN: 100.0 + written, LOST: 7.0 + lost},
        recorded(ok=10, wrong=1, answered_malformed=1, failed=4, refused=3),
    )  # fmt: skip
    assert [(check.name, check.measured, check.met) for check in found] == [
        ("journal_missing", missing, missing == 0),
        ("journal_lost", lost, lost == 0),
    ]
    assert str(found[0]).startswith(f"journal_missing    {missing} answers (12 answers received, {written} written")


def test_nothing_is_said_without_a_journal_or_of_a_server_that_began_anew():
    counts = {WRITTEN: 5.0, LOST: 0.0}
    for before, after in ((None, None), (None, counts), (counts, None), (counts, {WRITTEN: 4.0, LOST: 0.0})):
        assert journal_checks(before, after, recorded(ok=3)) == []
