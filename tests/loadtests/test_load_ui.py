"""The load command with Locust's page: its runs are judged and reported, and none takes the place of another."""

import json
import signal
import threading
import time

import pytest
import urllib3

from loadtests.ui import HOST, PORT
from tests.loadtests.load_world import begin, keep_journal, left_over, load_project

PAGE = f"http://{HOST}:{PORT}"
WITHIN_S = 150.0
SETTINGS = ("smoke", "seconds=5", "warmup_s=0.5", "thresholds.p99_ms=null", "thresholds.rows_per_s=1")


def said_until(process, words: str) -> str:
    """What the command prints, to the line that has these words."""
    said = ""
    for line in process.stdout:
        said += line
        if words in line:
            return said
    raise AssertionError(said)


@pytest.mark.triton
@pytest.mark.load
def test_each_start_is_a_run_that_is_judged_and_kept(exported, tmp_path):
    world = load_project(exported, tmp_path)
    keep_journal(world)
    process = begin(world, *SETTINGS, program=("-m", "loadtests.ui"))
    at_the_latest = threading.Timer(WITHIN_S, process.kill)  # a line that never comes fails the test
    at_the_latest.start()
    try:
        said_until(process, "press Start")
        page = urllib3.request("GET", PAGE).data.decode()
        assert 'input[name="host"]' in page.partition("</head>")[0]
        for _ in range(2):
            urllib3.request("POST", f"{PAGE}/swarm", fields={"user_count": "1", "spawn_rate": "1"})
            assert "MISSED" not in said_until(process, "load: all 6 thresholds are kept; page: reports/load.html")
        urllib3.request("POST", f"{PAGE}/swarm", fields={"user_count": "1", "spawn_rate": "1"})
        said_until(process, "a run has begun")
        time.sleep(0.5)  # of five seconds; Locust takes two to stop
        assert urllib3.request("POST", f"{PAGE}/stop").status == 200
        said_until(process, "load: cut short; what was measured in")
        said_until(process, "load: page: reports/load.html")
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=40)
        at_the_latest.cancel()
    assert process.returncode == 130 and left_over(tmp_path) == []
    summaries = [json.loads(path.read_text()) for path in sorted((world / "reports/load/smoke").glob("*/summary.json"))]
    assert [summary["completed"] for summary in summaries] == [True, True, False]
    assert all(summary["counts"]["ok"] > 10 and summary["counts"]["wrong"] == 0 for summary in summaries)
    pages = sorted((world / "reports/load/smoke").glob("*/report.html"))
    assert len(pages) == 3 and pages[0].parent.name in pages[1].read_text()
