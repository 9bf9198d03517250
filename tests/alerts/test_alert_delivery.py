"""What is written down and whom it reaches: a command that fails, hangs or is missing, kills at any point, two at once."""

import json
import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import psutil
import pytest

from contracts.clock import CLOCK
from contracts.lifecycle.monitor import MonitorConfig
from lifecycle.alerts.alert import alert_from
from lifecycle.alerts.log import AlertLog
from lifecycle.alerts.notify import notify
from lifecycle.retrain.budget import tell_budget
from lifecycle.retrain.calendar import time_ns
from tests.alerts.alert_world import START_NS, config, found, happened, report

KEY = "inputs/user_age/missing"
KEEPING = "import sys; open(sys.argv[1], 'a').write(sys.stdin.read())"


def keeping(path: Path) -> list[str]:
    """A command that writes down what it gets."""
    return [sys.executable, "-c", KEEPING, str(path)]


def got(path: Path) -> list[tuple[str, str]]:
    told = [json.loads(line) for line in path.read_text().splitlines()] if path.is_file() else []
    return [(one["event"], one["key"]) for one in told]


def test_the_command_gets_each_thing_that_happens_once_and_in_order(tmp_path):
    settings, kept = config(command=keeping(tmp_path / "got"), resolve_after_s=0), tmp_path / "got"
    notify(report(found(), found(subject="hour", kind="offset")), settings, tmp_path)
    notify(report(found(), minute=5), settings, tmp_path)
    notify(report(found(), minute=10), settings, tmp_path)
    assert got(kept) == happened(tmp_path) == [
        ("began", "inputs/hour/offset"), ("began", KEY), ("resolved", "inputs/hour/offset"),
    ]  # fmt: skip
    assert kept.read_bytes() == (tmp_path / "alerts.jsonl").read_bytes()


def test_the_command_gets_what_programs_beside_the_monitor_tell_and_no_look_ends_it(tmp_path):
    settings = config(command=keeping(tmp_path / "got"), resolve_after_s=0)
    notify(report(), settings, tmp_path)
    tell_budget(tmp_path, 9 * 3600, 10.0, time_ns("2026-09-30"))
    for minute in (5, 10, 60):
        notify(report(minute=minute), settings, tmp_path)
    assert got(tmp_path / "got") == [("began", f"retraining/2026-09/budget_{level}") for level in (50, 80)]


def test_a_command_that_fails_is_told_and_tried_again_until_it_works(tmp_path, capsys):
    failing = config(command=[sys.executable, "-c", "import sys; sys.exit('no network')"], resolve_after_s=0)
    notify(report(found()), failing, tmp_path)
    assert "ended with 1: no network; 1 alerts wait for it, the next look tries again" in capsys.readouterr().err
    notify(report(minute=5), failing, tmp_path)
    assert "2 alerts wait for it" in capsys.readouterr().err
    notify(report(minute=10), config(command=keeping(tmp_path / "got")), tmp_path)
    assert capsys.readouterr().err == ""
    assert got(tmp_path / "got") == [("began", KEY), ("resolved", KEY)]


def test_a_command_that_is_missing_or_hangs_loses_nothing(tmp_path, capsys):
    notify(report(found()), config(command=[str(tmp_path / "absent")]), tmp_path)
    assert "absent cannot be started: No such file or directory" in capsys.readouterr().err
    hanging = (
        f"import subprocess, sys, time; subprocess.Popen(['sleep', '987']); open({str(tmp_path / 'on')!r}, 'w'); time.sleep(987)"
    )
    began = time.monotonic()
    notify(report(found(), minute=5), config(command=[sys.executable, "-c", hanging], timeout_s=2), tmp_path)
    assert time.monotonic() - began < 60
    assert "did not end within 2 s (monitor.alerts.timeout_s) and was ended" in capsys.readouterr().err
    if (tmp_path / "on").exists():  # on a busy machine it was ended before it had begun
        assert not [p for p in psutil.process_iter(["cmdline"]) if p.info["cmdline"] == ["sleep", "987"]]
    notify(report(found(), minute=10), config(command=keeping(tmp_path / "got")), tmp_path)
    assert got(tmp_path / "got") == [("began", KEY)]


def test_a_command_that_does_not_read_is_no_failure(tmp_path, capsys):
    evidence = {"values": ["x" * 1000] * 300}  # more than a pipe holds
    notify(report(found(evidence=evidence)), config(command=[sys.executable, "-c", "pass"]), tmp_path)
    assert capsys.readouterr().err == ""


def test_a_command_that_comes_later_is_not_told_what_was_before(tmp_path):
    notify(report(found()), config(), tmp_path)
    notify(report(found(), found(subject="hour", kind="offset"), minute=5), config(command=keeping(tmp_path / "got")), tmp_path)
    assert got(tmp_path / "got") == [("began", "inputs/hour/offset")]


def test_a_state_that_cannot_be_read_is_said_and_begins_anew(tmp_path, capsys):
    notify(report(found()), config(), tmp_path)
    (tmp_path / "alerts.state.json").write_text("[1]")
    notify(report(found(), found(subject="hour"), minute=5), config(command=keeping(tmp_path / "got")), tmp_path)
    assert "alerts.state.json cannot be read; the command is told what happens from now on" in capsys.readouterr().err
    assert got(tmp_path / "got") == [("began", "inputs/hour/missing")]


@pytest.mark.parametrize("cut", [1, 40, 200])
def test_a_line_that_a_crash_cut_off_counts_as_not_written(tmp_path, cut):
    notify(report(found(), found(subject="hour")), config(), tmp_path)
    log = tmp_path / "alerts.jsonl"
    whole = log.read_bytes()
    log.write_bytes(whole[:-cut])
    notify(report(found(), found(subject="hour"), minute=5), config(), tmp_path)
    begun = [alert.key for alert, _ in AlertLog(tmp_path).since(0)]
    assert sorted(begun) == ["inputs/hour/missing", KEY]
    assert all(alert_from(line) for line in log.read_bytes().splitlines())


def test_a_command_that_comes_after_a_crash_is_told_what_was_not_written(tmp_path):
    notify(report(found()), config(), tmp_path)
    log = tmp_path / "alerts.jsonl"
    log.write_bytes(log.read_bytes()[:-40])
    notify(report(minute=5), config(), tmp_path)  # nothing happens, and nothing is written
    notify(report(found(), minute=10), config(command=keeping(tmp_path / "got")), tmp_path)
    assert got(tmp_path / "got") == happened(tmp_path) == [("began", KEY)]


def test_broken_lines_are_left_out(tmp_path):
    notify(report(found()), config(), tmp_path)
    with (tmp_path / "alerts.jsonl").open("ab") as log:
        log.write(b'\xff\xfe\n[]\n{"format": 9}\nnull\n')
    assert list(AlertLog(tmp_path).open()) == [KEY]
    assert notify(report(found(), minute=5), config(), tmp_path) == []


CALLS = ("write", "replace", "fsync", "open", "close", "mkdir", "ftruncate")  # of `os`, which change something on the disk


def look_that_dies(left: int, folder: Path, settings: MonitorConfig) -> int:
    """The exit code of a process that looks, and dies at the call after the first `left` ones: 9 then."""
    process = os.fork()
    if process == 0:
        try:
            calls = iter(range(left))
            for name in CALLS:
                setattr(os, name, mortal(getattr(os, name), calls))
            notify(report(found(), found(subject="hour")), settings, folder)
            os._exit(0)
        finally:
            os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


def mortal(call: Callable[..., Any], calls: Iterator[int]) -> Callable[..., Any]:
    def called(*args: Any, **kwargs: Any) -> Any:
        if next(calls, None) is None:
            os._exit(9)
        return call(*args, **kwargs)

    return called


def test_killed_anywhere_an_alert_is_written_once_and_told_at_least_once(tmp_path):
    """At each call that changes something on the disk in turn, and then a look of a process that lives."""
    codes = []
    for left in range(200):
        folder = tmp_path / str(left)
        folder.mkdir()
        settings = config(command=["sh", "-c", 'cat >> "$0"', str(folder / "got")])
        codes.append(look_that_dies(left, folder, settings))
        notify(report(found(), found(subject="hour"), minute=5), settings, folder)
        assert sorted(happened(folder)) == [("began", "inputs/hour/missing"), ("began", KEY)], left
        told = got(folder / "got")
        assert set(told) == {("began", "inputs/hour/missing"), ("began", KEY)} and len(told) <= 3, left
        if codes[-1] != 9:
            break
    assert codes[-1] == 0 and len(codes) > 15


def look(folder: Path, number: int, command: list[str] | None = None) -> None:
    for minute in range(number, number + 5):
        settings = config(command=command or keeping(folder / "got"))
        notify(report(found(), found(subject="hour"), minute=minute), settings, folder)


def test_two_at_once_write_and_tell_each_beginning_once(tmp_path):
    both = [multiprocessing.get_context("spawn").Process(target=look, args=(tmp_path, number)) for number in (0, 1)]
    for process in both:
        process.start()
    for process in both:
        process.join()
    assert [process.exitcode for process in both] == [0, 0]
    assert sorted(happened(tmp_path)) == sorted(got(tmp_path / "got")) == [("began", "inputs/hour/missing"), ("began", KEY)]


def test_a_log_that_cannot_be_written_tells_nobody(tmp_path):
    (tmp_path / "alerts.jsonl").mkdir()
    with pytest.raises(OSError):
        notify(report(found()), config(command=keeping(tmp_path / "got")), tmp_path)
    assert got(tmp_path / "got") == []


class Receiver(HTTPServer):
    """Takes what Alertmanager would take."""

    def __init__(self, status: int = 200) -> None:
        self.posted, self.status = [], status
        super().__init__(("127.0.0.1", 0), Taking)
        Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/"


class Taking(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.posted.append((self.path, body))
        self.send_response(self.server.status)
        self.end_headers()
        self.wfile.write(b"no")

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def receiver():
    server = Receiver()
    yield server
    server.shutdown()
    server.server_close()


def test_alertmanager_gets_all_that_holds_at_each_look_and_what_ends(tmp_path, receiver, monkeypatch):
    hour_ago = time.time_ns() // 10**9 * 10**9 - 3600 * 10**9
    monkeypatch.setenv(CLOCK, f"{START_NS} {hour_ago} 60")  # a clock that goes sixty times as fast
    settings = config(alertmanager=receiver.url, resolve_after_s=0)
    notify(report(found()), settings, tmp_path)
    notify(report(found(), minute=5), settings, tmp_path)
    notify(report(minute=10), settings, tmp_path)
    notify(report(minute=15), settings, tmp_path)
    assert [path for path, _ in receiver.posted] == ["/api/v2/alerts"] * 3
    first, again, ended = (body[0] for _, body in receiver.posted)
    assert first["labels"] == {
        "alertname": "model", "area": "inputs", "subject": "user_age", "kind": "missing", "severity": "warning",
        "dataset": "simulated",
    }  # fmt: skip
    assert first["annotations"]["summary"] == "user_age: 5 % of the rows are missing"
    begun = datetime.fromtimestamp(hour_ago / 1e9, UTC)
    assert {datetime.fromisoformat(one["startsAt"]) for one in (first, again, ended)} == {begun}
    assert (datetime.fromisoformat(ended["endsAt"]) - begun).total_seconds() == 10  # ten minutes of the clock
    assert first["labels"] == again["labels"] == ended["labels"]


def test_an_alert_lasts_until_after_the_next_looks(tmp_path, receiver):
    before = time.time()
    notify(report(found()), config(alertmanager=receiver.url), tmp_path)
    ends = datetime.fromisoformat(receiver.posted[0][1][0]["endsAt"]).timestamp()
    assert before + 900 - 1 <= ends <= time.time() + 900 + 1  # three looks of 300 s


def test_an_alertmanager_that_is_gone_or_refuses_is_told(tmp_path, receiver, capsys):
    notify(report(found()), config(alertmanager="http://127.0.0.1:9"), tmp_path)
    assert "Alertmanager at http://127.0.0.1:9 cannot be reached" in capsys.readouterr().err
    receiver.status = 400
    notify(report(found(), minute=5), config(alertmanager=receiver.url), tmp_path)
    assert "refused the alerts with 400: no; the next look tries again" in capsys.readouterr().err
    assert happened(tmp_path) == [("began", KEY)]


def test_a_kill_while_the_command_runs_tells_it_again(tmp_path):
    """SIGKILL from outside, while the first command waits."""
    waiting = [sys.executable, "-c", f"{KEEPING}; import time; time.sleep(15)", str(tmp_path / "got")]
    process = multiprocessing.get_context("spawn").Process(target=look, args=(tmp_path, 0, waiting))
    process.start()
    try:
        deadline = time.monotonic() + 60
        while not got(tmp_path / "got") and time.monotonic() < deadline:
            time.sleep(0.05)
        (child,) = psutil.Process(process.pid).children()
    finally:
        os.kill(process.pid, signal.SIGKILL)
        process.join()
    os.kill(child.pid, signal.SIGKILL)
    notify(report(found(), found(subject="hour"), minute=5), config(command=keeping(tmp_path / "got")), tmp_path)
    assert sorted(happened(tmp_path)) == [("began", "inputs/hour/missing"), ("began", KEY)]
    assert sorted(got(tmp_path / "got")) == [("began", "inputs/hour/missing"), ("began", "inputs/hour/missing"), ("began", KEY)]
