import json
import re
from html.parser import HTMLParser

import numpy as np
import pytest

from loadtests.report.page import write_report
from loadtests.verdicts.samples import Recorder
from tests.loadtests.sampled import START_S, samples, write_run

NO_INTERVAL = {"low": None, "high": None, "reason": ""}
THRESHOLDS = [
    {"name": "p99_ms", "measured": 31.2, "low": 28.0, "high": 33.0, "limit": 250.0, "met": True, "reason": "n"},
    {"name": "error_share", "measured": 0.002, **NO_INTERVAL, "limit": 0.0, "at_least": False, "met": False},
    {"name": "rows_per_s", "measured": 900.0, **NO_INTERVAL, "limit": 500.0, "at_least": True, "met": True},
]
LOADS = ("src", "href", "data", "poster", "action", "srcset", "background")


class Page(HTMLParser):
    """The tags with their attributes, and rows of tables as lists of cells' text."""

    def __init__(self, text):
        super().__init__()
        self.text, self.tags, self.rows, self.open = text, [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")
            self.open.append(tag)

    def handle_endtag(self, tag):
        if self.open and tag == self.open[-1]:
            self.open.pop()

    def handle_data(self, data):
        if self.open:
            self.rows[-1][-1] += data

    def row(self, name):
        """Cells of the first row that begins with `name`, white space made plain."""
        return next([" ".join(cell.split()) for cell in row] for row in self.rows if row and row[0].strip() == name)


def page_of(folder):
    output = folder / "reports" / "load.html"
    write_report(folder, output)
    assert [path.name for path in output.parent.iterdir()] == ["load.html"]
    return Page(output.read_text())


def look(at_s, requests, cpu_s):
    """A look at a server that answered `requests`, each of which waited 2 of its 5 ms, two in a batch."""
    counts = {"success": requests, "duration_us": 5000 * requests}
    metrics = {f"nv_inference_request_{name}": {"model=ctr,version=3": value} for name, value in counts.items()}
    metrics |= {f"nv_inference_{name}": {"model=ctr,version=3": value} for name, value in (("count", requests * 6),)}
    metrics |= {"nv_inference_queue_duration_us": {"model=ctr,version=3": 2000 * requests}}
    metrics |= {"nv_inference_exec_count": {"model=ctr,version=3": requests // 2}}
    size = {"age_s": 100.0, "threads": 1, "rss_mib": 64.0, "pss_mib": 32.0}
    processes = {"server": [{"pid": 1, "cpu_s": cpu_s, **size}], "client": [{"pid": 2, "cpu_s": 2 * cpu_s, **size}]}
    machine = {"cores": 2, "busy_s": 3 * cpu_s, "stolen_s": 0.0, "available_mib": 100.0}
    return {
        "at_s": at_s,
        "metrics": metrics,
        "processes_at_s": at_s,
        "machine_at_s": at_s,
        "processes": processes,
        "machine": machine,
    }


@pytest.fixture(scope="module")
def run_dir(tmp_path_factory):
    """Ten seconds: 1000 requests, most answered after 10 ms, the half of them over gRPC."""
    kinds, outcomes = ["grpc", "http_json"] * 500, ["refused"] * 8 + ["failed"] * 2 + ["ok"] * 990
    found = samples(1000, due=np.arange(1000) / 100, latency_ms=10 + np.arange(1000) % 10, kind=kinds, outcome=outcomes, rows=6)
    settings = {"seed": 0, "warmup_s": 2.0, "stages": [{"seconds": 5.0, "users": 4}, {"seconds": 5.0, "users": 8}]}
    folder = write_run(
        tmp_path_factory.mktemp("run"),
        found,
        10.0,
        shape="steps",
        started_at="2026-11-22T06:00:00+00:00",
        settings=settings,
        thresholds=THRESHOLDS,
        reasons={"UNAVAILABLE: <script>alert(1)</script>": 2},
        versions={"tritonserver": "2.51.0", "locust": "2.47.0"},
        model_versions={"3": 990},
    )
    looks = [look(START_S + second, 100 * second, 0.25 * second) for second in range(11)]
    (folder / "observed.jsonl").write_text("".join(json.dumps(one) + "\n" for one in looks))
    return folder


@pytest.fixture(scope="module")
def page(run_dir):
    return page_of(run_dir)


def test_figures_of_the_page_are_those_of_the_samples(page):
    name, answers, per_s, mean, p50, p90, *_, largest = page.row("all")
    assert (name, answers, per_s, largest) == ("all", "990", "99.0", "19.0")
    assert mean == "14.5" and p50.startswith("14.0 [") and p90.startswith("18.0 [")
    assert page.row("grpc")[1] == "495" and page.row("grpc")[4].startswith("14.0 [")
    assert page.row("http_json")[4].startswith("15.0 [")
    assert page.row("1: 4 users")[1:3] == ["490", "98.0"] and page.row("2: 8 users")[1:3] == ["500", "100"]
    assert page.row("refused")[1] == "8" and page.row("failed")[1] == "2"
    assert page.row("ok")[2].startswith("99.0 %") and page.row("failed")[2].startswith("0.20 % 0.055 % to 0.73 %")
    assert "98.9/s" in page.text and "593 rows a second" in page.text  # one answer came after the end


def test_a_percentile_that_is_not_claimed_has_no_number(page):
    row = page.row("grpc")
    assert row[7] == "too few" and row[6] != "too few"


def test_thresholds_are_shown_with_verdicts(page):
    assert page.row("p99") == ["p99", "31.2 ms", "28.0 to 33.0 ms", "at most 250 ms", "kept", "n"]
    assert page.row("error share") == ["error share", "0.20 %", "", "at most 0 %", "broken", ""]
    assert page.row("rows a second") == ["rows a second", "900", "", "at least 500", "kept", ""]
    assert re.search(r'class="verdict broken"><b>failed</b> Thresholds that were broken, 1 of 3: error share', page.text)


def test_what_triton_and_the_processes_did_is_shown(page):
    name, requests, failed, calls, rows, joined, total, queue = page.row("ctr, version 3")[:8]
    assert (name, requests, failed, calls) == ("ctr, version 3", "1,000", "0", "500")
    assert (rows, joined, total, queue) == ("12.0", "2.00", "5.00", "2.00")
    assert page.row("server")[1:6] == ["1", "0.250", "0.250", "2.50", "2.53"]
    assert page.row("client")[2] == "0.500" and page.row("client")[6:] == ["32.0", "32.0", "32.0"]
    assert "At 0 of 10 looks a process of the load generator used 90 % of a core or more" in page.text


def test_versions_settings_and_machine_are_shown(page):
    assert page.row("tritonserver")[1] == "2.51.0" and page.row("locust")[1] == "2.47.0"
    assert page.row("stages")[1] == "seconds 5.0, users 4; seconds 5.0, users 8"
    assert page.row("Model version")[1] == "3 (990 answers)"
    assert "cores" in page.row("Processor")[1]


def test_the_page_needs_nothing_from_outside_and_runs_no_script(page):
    assert not {tag for tag, _ in page.tags} & {"script", "link", "iframe", "object", "embed", "base"}
    loaded = [value for _, attributes in page.tags for name, value in attributes.items() if name in LOADS]
    assert len(loaded) > 5 and all(value.startswith(("#", "data:image/svg+xml;base64,")) for value in loaded)
    assert "http://" not in page.text and "https://" not in page.text and "url(" not in page.text and "@import" not in page.text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page.text


def test_all_figures_are_drawn(page):
    images = [attributes["alt"] for tag, attributes in page.tags if tag == "img"]
    assert images == [
        "Requests a second and latency over time",
        "Latency by percentile",
        "Histogram of latencies",
        "Triton's times, batches and queue over time",
        "Busy cores and memory over time",
    ]


def test_the_same_run_gives_the_same_page(run_dir, page):
    assert page_of(run_dir).text == page.text


def test_a_run_without_requests_says_that_nothing_was_measured(tmp_path):
    page = page_of(write_run(tmp_path, samples(0), 10.0))
    assert "Nothing was measured." in page.text and not [tag for tag, _ in page.tags if tag == "img"]


@pytest.mark.parametrize("outcome", ["failed", "unsent", "unknown"])
def test_a_run_without_a_good_answer_claims_no_latency(tmp_path, outcome):
    found = samples(300, due=np.arange(300) / 100, outcome=outcome)
    found["done_s"] = np.nan if outcome == "unsent" else found["done_s"]
    page = page_of(write_run(tmp_path, found, 3.0))
    assert "No request was answered well" in page.text and page.row(outcome)[1:3] == ["300", "100 % 98.7 % to 100 %"]


def test_a_run_of_one_request_is_shown(tmp_path):
    assert page_of(write_run(tmp_path, samples(1), 1.0)).row("all")[1:5] == ["1", "1.00", "10.0", "too few"]


def test_a_run_that_was_killed_is_shown_as_far_as_it_went(tmp_path):
    recorder = Recorder(tmp_path, "samples-0")
    for i in range(50):
        due_s = START_S + i / 10
        values = {"intended_s": due_s, "sent_s": due_s, "done_s": due_s + 0.02, "rows": 1, "kind": 0}
        recorder.add(**values, outcome="ok", malformed=False, reason="")
    recorder.flush()
    with (tmp_path / "samples-0.part").open("ab") as part:
        part.write(b"torn")
    (tmp_path / "plan.json").write_text(json.dumps({"config": {"shape": "soak", "host": "secret-host", "stages": []}}))
    page = page_of(tmp_path)
    assert page.row("all")[1] == "50" and page.row("all")[3] == "20.0"
    assert "The run was cut short" in page.text and "Load report: soak" in page.text and "secret-host" not in page.text


def test_a_folder_without_a_run_is_refused_with_what_to_do(tmp_path):
    with pytest.raises(ValueError, match="holds no load run.*`make load` makes one"):
        write_report(tmp_path, tmp_path / "load.html")
