"""What the timeline says: who answered, why a candidate went, what would have been without its canary."""

import math
from dataclasses import replace

import polars as pl
import pytest

from lifecycle.live.timeline.answers import moment_of, who_answered, why, without
from lifecycle.live.timeline.facts.answered import expected_loss, hours_of
from lifecycle.live.timeline.facts.without import compared
from lifecycle.live.timeline.page import headline, rendered
from lifecycle.live.timeline.picture import picture
from lifecycle.live.timeline.story import DAY_NS, read_story, write_story
from tests.lifecycle.live.whole.told_story import BACK, HOUR_NS, START, a_story
from tests.lifecycle.monitor.page.in_chromium import HOST, opened, widths


def test_noon_of_a_day_has_its_release_and_the_canary_of_then():
    story = a_story()
    said = who_answered(story, moment_of(story, "day 40 12:00"))
    assert "day 40, 12:00 (2026-09-09 12:00 UTC): 100 rows" in said
    assert "release 2 95.0%, by release 3 5.0%" in said and "Candidate 2, release 3, was in a canary of 5% of the users" in said
    assert "release 1 answered all" in who_answered(story, moment_of(story, "2026-08-02T05:10"))


def test_shadow_is_told_as_what_nobody_saw():
    story = a_story()
    said = who_answered(story, moment_of(story, "day 36"))
    assert "release 2 answered all" in said and "was in shadow" in said and "nobody saw" in said


def test_a_time_without_answers_is_told():
    story = a_story()
    assert "nobody asked in that hour. The play has 90 days" in who_answered(story, moment_of(story, "day 200"))


@pytest.mark.parametrize("text", ["noon", "day 0", "day 3 25:00", "day -1", "40"])
def test_what_is_no_time_is_refused(text):
    with pytest.raises(ValueError, match="there is no time .* write 'day 40 12:00'"):
        moment_of(a_story(), text)


def test_times_are_those_of_the_play():
    story = a_story()
    assert moment_of(story, "day 1") == START and moment_of(story, "day 2 01:30") == START + DAY_NS + 1.5 * HOUR_NS
    assert moment_of(story, "2026-08-01T02:00+02:00") == START


def test_a_candidate_has_its_outcome_and_reasons():
    story = a_story()
    assert "It was sent back on day 41, 00:00: log-loss is 12 % above" in why(story, 2)
    with pytest.raises(ValueError, match="there is no candidate 9; 2 were tried"):
        why(story, 9)


def test_what_the_canary_spared_is_counted():
    story = a_story()
    said = without(story, story.without[0])
    assert "answered 1,000 of 20,000 rows, which cost 20.0 nats" in said and "it would have cost 400.0" in said
    assert "The canary made it 5.0% of that." in said and "lost 30.0 of 900 clicks; with the canary it loses 1.5" in said


def test_the_headline_says_from_when_to_when():
    assert headline(a_story()).words == "The world changed on day 8, release 2 became the champion on day 31."
    nobody = replace(a_story(), candidates=())
    assert headline(nobody).words == "No candidate became the champion." and headline(nobody).tone == "warning"


def test_expected_loss_is_that_of_the_two_outcomes_and_least_at_the_truth():
    frame = pl.DataFrame({"p": [0.3, 0.3, 0.0], "q": [0.3, 0.5, 0.0]})
    loss = frame.select(expected_loss(pl.col("p"), pl.col("q")).alias("loss"))["loss"]
    assert loss[0] == pytest.approx(-(0.3 * math.log(0.3) + 0.7 * math.log(0.7))) and loss[1] == pytest.approx(math.log(2))
    assert 0 <= loss[2] < 1e-6


def test_hours_are_counted_by_release():
    rows = pl.DataFrame({"at_ms": [0, 1, 3_600_000], "release": [1, 2, 2]})
    assert [(one.at_ns, one.release, one.rows) for one in hours_of(rows)] == [(0, 1, 1), (0, 2, 1), (HOUR_NS, 2, 1)]


def test_a_switch_at_once_is_counted_over_all_rows_and_the_canary_over_its_own():
    """Page 1 was the candidate's. It answers 0.5 everywhere; the champion the truth."""
    rows = pl.DataFrame(
        {
            "page": [1, 1, 2, 2],
            "at_ms": [0] * 4,
            "release": [3, 3, 2, 2],
            "p_true": [0.1, 0.2, 0.1, 0.4],
            "ours": [0.1, 0.2, 0.1, 0.4],
            "other": [0.6, 0.5, 0.6, 0.5],
        }
    )
    found = compared(rows, a_story().candidates[1], START, START + BACK * DAY_NS)

    def added(p: float, q: float) -> float:
        return p * math.log(p / q) + (1 - p) * math.log((1 - p) / (1 - q))

    first, second = added(0.1, 0.6) + added(0.2, 0.5), added(0.1, 0.6) + added(0.4, 0.5)
    assert (found.rows, found.tried_rows) == (4, 2)
    assert found.added_paid == pytest.approx(first) and found.added_at_once == pytest.approx(first + second)
    assert found.lost_paid == pytest.approx(0.1) and found.lost_at_once == pytest.approx(0.1 + 0.3)
    assert found.clicks == pytest.approx(0.6)


def test_a_story_is_read_as_it_was_written(tmp_path):
    write_story(a_story(), tmp_path / "facts.json")
    assert read_story(tmp_path / "facts.json") == a_story()
    with pytest.raises(ValueError, match="is not here; `make live` writes it"):
        read_story(tmp_path / "nothing.json")
    for broken in ("{", '{"format": 9}', "[]", '{"format": 1}'):
        (tmp_path / "facts.json").write_text(broken)
        with pytest.raises(ValueError, match="is not as this version of adclick writes it"):
            read_story(tmp_path / "facts.json")


def test_others_words_are_text_in_the_page_and_in_the_picture():
    page = rendered(a_story())
    assert "&lt;b&gt;worse&lt;/b&gt;" in page and "<b>worse" not in page
    assert "In that hour" not in page and "What would have happened without the canary of candidate 2?" in page
    drawn = picture(a_story())
    assert drawn.count("<svg ") == 4 and "&lt;" not in drawn.split("</style>")[1].split("<desc")[0]


@pytest.mark.chromium
def test_the_page_asks_nobody_and_fits_its_window(tmp_path):
    page = rendered(a_story())
    assert opened(page, tmp_path).asked == [f"{HOST}/"]
    for width in (1280, 400):
        seen = widths(page, tmp_path, width)
        assert max(seen.document, seen.right) <= width and seen.hidden == 0
