"""What the page says: the worst first, effect beside chance, alerts, what was not judged; and other people's texts as texts."""

import json
import math
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import ClassVar

import pytest

from lifecycle.monitor.findings import Area, FindingTable, MonitorReport, Point, Trend, report_from
from lifecycle.monitor.page import write_page
from lifecycle.monitor.page.headline import headline
from tests.lifecycle.monitor.page.sample_report import DAY, START, finding, sample_alerts, sample_report, series_of

EVIL = "<script>alert(1)</script>\"'&\u202e\x00"


class Balanced(HTMLParser):
    """Raises AssertionError where a tag is closed that is not open; `left` are those that nobody closed."""

    EMPTY: ClassVar = {"meta", "link", "br", "img"}

    def __init__(self, page: str) -> None:
        super().__init__()
        self.left: list[str] = []
        self.seen: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)
        if tag not in self.EMPTY:
            self.left.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.left.pop() == tag

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)


def page_of(report: MonitorReport, folder: Path, lines: list[str] | None = None) -> str:
    if lines is not None:
        (folder / "alerts.jsonl").write_text("\n".join(lines))
    write_page(report, folder / "monitor.html", None if lines is None else folder / "alerts.jsonl")
    return (folder / "monitor.html").read_text()


def text_of(page: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", page[page.index("<main>") :])).replace("\u00a0", " ")


def half_written(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        file.write(content[:100])
    raise OSError("no space")


@pytest.fixture
def sample(tmp_path) -> str:
    return page_of(sample_report(), tmp_path, [json.dumps(one) for one in sample_alerts()])


def test_the_first_line_says_what_is_wrong_the_worst_first(sample):
    first = text_of(sample)[:420]
    assert first.startswith(" 1 finding needs somebody now and 3 warnings. The worst 3 are here, 1 more below.")
    assert first.index("user_age, missing: 5.0 % of rows have lost") < first.index("site_id, unknown: 1.4 % of rows")


def test_the_first_line_of_a_good_month_says_how_much_was_looked_at_and_what_was_not():
    found = headline(
        sample_report([Area(name="inputs", findings=[finding("os", "shares"), finding("os", "missing")], notes=["a", "b"])])
    )
    assert found.verdict == "ok" and found.words == "Nothing was found wrong."
    assert found.rest == (
        "Looked at 2 figures of inputs, 2026-11-30 UTC. 642,911 rows served. "
        "Nothing was judged of quality, skew, labels, machine and journal. 2 notes say what else was not judged."
    )


def test_nothing_judged_is_not_nothing_wrong():
    found = headline(replace(sample_report([]), serving=[]))
    assert (found.verdict, found.words, found.rest) == (None, "Nothing was judged.", "Nothing was served.")


def test_a_change_to_watch_is_no_alarm():
    found = headline(sample_report([Area(name="inputs", findings=[finding("os", "shares", "watch")])]))
    assert (found.verdict, found.words) == ("watch", "Nothing was found wrong; 1 small change to watch.")


def test_verdicts_stand_the_worst_first_with_effect_and_chance(sample):
    text = text_of(sample)
    table = text[text.index("Beyond chance or limit") : text.index("61 figures as expected")]
    places = [
        table.index(start) for start in ("page user_age", "warning site_id", "warning device=tv", "warning hour", "watch os")
    ]
    assert places == sorted(places)
    assert (
        "5.02 % of rows interval 4.66 to 5.39 up to 2.10 % of rows p 3.2e-41, may spend 2.0e-05 2026-11-30 "
        "21,430 rows, as good as 5,120 users" in table
    )
    assert "no matter of chance" in table  # of skew


def test_a_verdict_leads_to_its_drawing(sample):
    target = re.search(r'<a href="#([\w-]+)"><bdi>user_age</bdi>', sample)[1]
    assert re.search(rf'<article class="card page" id="{target}"><h3><bdi>user_age</bdi>', sample)
    assert len(re.findall(r'\bid="([^"]+)"', sample)) == len(set(re.findall(r'\bid="([^"]+)"', sample)))
    assert set(re.findall(r'href="#([^"]+)"', sample)) <= set(re.findall(r'\bid="([^"]+)"', sample))


def test_who_serves_quality_skew_labels_machine_and_notes_are_there(sample):
    text = text_of(sample)
    for part in (
        *("challenger 31,004 4.82 %", "champion 611,907 95.2 %", "on the line, what was predicted came true"),
        *("referrer 21,200 181 empty where site_id = s117", "matched 58,800", "GPU: there is none on this machine."),
    ):
        assert part in text


def test_an_alert_is_as_its_last_line_says_and_what_goes_on_stands_first(sample):
    text = text_of(sample)
    alerts = text[text.index(" Alerts Severity") : text.index("Columns, images and predictions expected")]
    assert "inputs/user_age/missing 2026-11-25 00:00 goes on the model" in alerts
    assert "labels/feed/late 2026-11-10 00:00 to 2026-11-11 00:00" in alerts
    assert alerts.index("user_age") < alerts.index("labels/feed") and alerts.count("labels/feed/late 2026") == 1


def test_broken_lines_of_alerts_are_counted(tmp_path):
    good = json.dumps(sample_alerts()[1])
    text = text_of(page_of(sample_report([]), tmp_path, [good, good[:40], "[1, 2]", '{"key": 1}', "[" * 9000, ""]))
    assert "4 lines of the alerts' file could not be read." in text and "goes on" in text


def test_alerts_that_nobody_asked_for_are_not_none_at_all(tmp_path):
    assert "Alerts were not asked for." in page_of(sample_report([]), tmp_path)
    assert "There has been no alert." in page_of(sample_report([]), tmp_path, [])


def test_texts_of_others_stay_texts(tmp_path):
    bad = finding(EVIL, EVIL, "page", unit=EVIL, sentence=EVIL, next_step=EVIL, evidence={EVIL: [EVIL]})
    area = Area(
        name="inputs",
        findings=[bad, finding(EVIL, "shares")],
        series=[series_of(EVIL, EVIL, 0.1, 1, EVIL)],
        tables=[FindingTable(title=EVIL, columns=[EVIL, "predicted"], rows=[[EVIL, 0.1], [None]])],
        notes=[EVIL],
    )
    alert = {**sample_alerts()[1], "key": EVIL, "severity": EVIL, "sentence": EVIL, "owner": EVIL, "evidence": {EVIL: EVIL}}
    report = replace(sample_report([area]), dataset=EVIL, serving=[replace(sample_report().serving[0], arm=EVIL)])
    page = page_of(report, tmp_path, [json.dumps(alert)])
    assert "<script" not in page and "\u202e" not in page and "\x00" not in page
    assert page.count("&lt;script&gt;") > 15 and "\\u202e\\u0000" in page
    found = Balanced(page)
    assert found.left == [] and "script" not in found.seen


def test_half_of_a_character_does_not_keep_the_page_from_being_written(tmp_path):
    assert "\\ud800" in page_of(sample_report([Area(name="inputs", findings=[finding("\ud800", "shares", "page")])]), tmp_path)


def test_figures_that_are_no_numbers_are_named(tmp_path):
    points = [Point(at_ns=START + day * DAY, value=value) for day, value in enumerate((math.nan, math.inf, None, 1e308, -1e308))]
    area = Area(
        name="inputs",
        findings=[finding("os", "mean", "page", effect=math.nan, chance=math.inf, interval=(-math.inf, math.nan))],
        series=[Trend(subject="os", kind="mean", unit="", points=points), Trend(subject="os", kind="none", unit="", points=[])],
    )
    page = page_of(sample_report([area]), tmp_path)
    assert "not a number % of rows" in text_of(page) and "up to infinite % of rows" in text_of(page)
    drawn = re.findall(r'(?: d| x| y| cx| cy)="([^"]*)"', page)
    assert drawn and not any("nan" in one or "inf" in one for one in drawn)


def test_a_report_read_back_from_json_gives_the_same_page(tmp_path):
    (tmp_path / "again").mkdir()
    again = report_from(json.loads(json.dumps(sample_report().as_dict())))
    assert page_of(again, tmp_path / "again") == page_of(sample_report(), tmp_path)


def test_the_page_is_replaced_as_a_whole_or_not_at_all(tmp_path, monkeypatch):
    before = page_of(sample_report([]), tmp_path)
    monkeypatch.setattr(Path, "write_bytes", half_written)
    with pytest.raises(OSError, match="no space"):
        write_page(sample_report(), tmp_path / "monitor.html")
    assert (tmp_path / "monitor.html").read_text() == before and [one.name for one in tmp_path.iterdir()] == ["monitor.html"]


def test_a_large_month_stays_below_two_megabytes(tmp_path):
    """60 columns, hourly points of 30 days, 400 findings, a long table."""
    area = Area(
        name="inputs",
        findings=[finding(f"column {place % 60}", f"kind {place // 60}") for place in range(400)],
        series=[series_of(f"column {place}", "shares", 0.1, place, days=720) for place in range(60)],
        tables=[FindingTable(title="long", columns=["a", "b"], rows=[["x" * 40, place] for place in range(5000)])],
    )
    page = page_of(sample_report([area]), tmp_path)
    assert len(page.encode()) < 2_000_000 and page.count("<svg viewBox") == 60
    assert "4,800 more rows are not shown." in page


def test_the_page_names_no_other_host_and_no_script(sample):
    assert not re.search(r"//[\w-]+\.[\w.-]+|<script|@import|url\(", sample)
    assert re.findall(r'(?:src|href)\s*=\s*"([^#"][^"]*)"', sample) == ["data:,"]
    assert "default-src 'none'" in sample and Balanced(sample).left == []


@pytest.mark.parametrize("dark", [False, True])
def test_texts_have_contrast_in_both_colour_schemes(sample, dark):
    """4.5 to 1 at least (WCAG 2.2, 1.4.3), by its formula of relative luminance."""
    found = [dict(re.findall(r"--([\w-]+): (#\w+)", one)) for one in re.findall(r":root \{[^}]*\}", sample)]
    colours = found[0] | (found[1] if dark else {})
    assert len(found) == 2 and set(found[0]) == set(found[1])
    pairs = [(text, back) for text in ("ink", "muted", "accent", "ok", "watch", "warning", "page") for back in ("back", "soft")]
    pairs += [(verdict, f"{verdict}-soft") for verdict in ("ok", "watch", "warning", "page")]
    assert {
        pair: contrast(*(colours[name] for name in pair)) for pair in pairs if contrast(*(colours[n] for n in pair)) < 4.5
    } == {}


def contrast(one: str, other: str) -> float:
    dark, light = sorted(luminance(colour) for colour in (one, other))
    return (light + 0.05) / (dark + 0.05)


def luminance(colour: str) -> float:
    digits = colour[1:] if len(colour) == 7 else "".join(2 * digit for digit in colour[1:])
    shares = [int(digits[place : place + 2], 16) / 255 for place in (0, 2, 4)]
    linear = [share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4 for share in shares]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
