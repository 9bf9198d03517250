"""Jobs that work, fail and hang, run by the real supervisor; what is left of one that is killed."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from contracts.dataset.config_errors import ConfigError
from contracts.lifecycle.retraining import LifecycleConfig, LoopConfig
from contracts.overrides import read_overrides
from lifecycle.loop.jobs import SECTIONS, LoopJob, jobs_of
from lifecycle.loop.status import LoopStatus, read_status
from lifecycle.loop.supervisor import Supervisor
from lifecycle.sessions import members
from tests.project.imports import ROOT

WORKS = ("works", 'print("works: 3 rows")')
FAILS = ("fails", 'import sys; sys.exit("fails: error: no rows")')
CHILD = "import signal, time; {}; time.sleep(600)"
PROGRAM = (
    "import subprocess, sys, time; print('hangs: begins', flush=True); "
    "subprocess.Popen([sys.executable, '-c', {!r}]); time.sleep(600)"
)
HANGS = ("hangs", PROGRAM.format(CHILD.format("pass")))
IGNORES = ("hangs", PROGRAM.format(CHILD.format("signal.signal(15, signal.SIG_IGN)")))
DEADLINE_S = 60.0
LOOP = """
import signal, sys, threading
from pathlib import Path
from tests.lifecycle.loop.test_loop import HANGS, WORKS, config, job
from lifecycle.loop.supervisor import Supervisor
from lifecycle.loop.status import LoopStatus
stopped = threading.Event()
signal.signal(signal.SIGTERM, lambda *_: stopped.set())
supervisor = Supervisor(jobs=[job(*HANGS, 600), job(*WORKS)], config=config(timeout_s=600), monitor=Path("monitor"),
                        stopped=stopped, status=LoopStatus(folder=Path("loop")))
supervisor.end_left()
print("goes", flush=True)
sys.exit(supervisor.follow())
"""


def config(**changes: object) -> LoopConfig:
    values = {
        "folder": "loop",
        "page": "p",
        "journal_s": 1,
        "feedback_s": 1,
        "retraining_s": 1,
        "timeout_s": 60,
        "alert_failures": 2,
    }
    return LoopConfig(**{**values, **changes})


def job(name: str, program: str, every_s: float = 0.3) -> LoopJob:
    return LoopJob(name=name, command=(sys.executable, "-c", program), every_s=every_s)


@pytest.fixture
def supervisor(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "loop").mkdir()

    def made(*jobs: LoopJob, **changes: object) -> Supervisor:
        return Supervisor(
            jobs=jobs,
            config=config(**changes),
            monitor=Path("monitor"),
            stopped=threading.Event(),
            status=LoopStatus(folder=Path("loop")),
        )

    return made


def until(holds) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def alerts() -> list[tuple[str, str, str]]:
    path = Path("monitor/alerts.jsonl")
    lines = [json.loads(line) for line in path.read_text().splitlines()] if path.is_file() else []
    return [(line["key"], line["event"], line["sentence"]) for line in lines]


def noted(name: str) -> int:
    return int(json.loads(Path(f"loop/{name}.running.json").read_bytes())["pid"])


def test_once_runs_all_jobs_in_their_order_and_says_which_failed(supervisor, capsys):
    jobs = [job(*FAILS), LoopJob(name="missing", command=("/nowhere/python",), every_s=1), job(*WORKS)]
    assert supervisor(*jobs).once() == 1
    shown = capsys.readouterr()
    assert [line.partition("  ")[2] for line in shown.out.splitlines()] == [
        "fails FAILED 1x: fails: error: no rows",
        "missing FAILED 1x: /nowhere/python cannot be started:...",
        "works 3 rows",
    ]
    assert shown.err.splitlines()[0] == "fails failed: fails: error: no rows; it comes again"
    assert supervisor(job(*WORKS)).once() == 0
    assert Path("loop/works.log").read_text() == "works: 3 rows\n"
    found = read_status(Path("loop"))
    assert found["works"].failures == 0 and found["works"].last.said == "works: 3 rows"


def test_a_job_that_hangs_is_ended_with_all_that_it_started_and_the_others_go_on(supervisor):
    looping = supervisor(job(*IGNORES), job(*WORKS), timeout_s=1.0)
    thread = threading.Thread(target=looping.follow)
    thread.start()
    until(lambda: Path("loop/hangs.running.json").is_file())
    pid, runs = noted("hangs"), set()

    def has_worked() -> bool:
        status = looping.status.jobs.get("works")
        runs.update([status.last.at_ns] if status and status.last else [])
        return len(runs) >= 3

    until(has_worked)
    until(lambda: looping.status.jobs["hangs"].failures >= 1)
    looping.stopped.set()
    thread.join(DEADLINE_S)
    assert not thread.is_alive() and members(pid) == []
    failed = looping.status.jobs["hangs"].last
    assert (
        failed.failure == "it did not end within 1 s (lifecycle.loop.timeout_s) and was ended" and failed.said == "hangs: begins"
    )
    assert looping.status.jobs["works"].failures == 0


def test_failures_in_a_row_are_an_alert_until_the_job_works_again(supervisor):
    failing, working = job(*FAILS), LoopJob(name="fails", command=(sys.executable, "-c", "pass"), every_s=1)
    looping = supervisor(failing)
    looping.once()
    assert alerts() == []
    looping.once()
    looping.once()
    again = supervisor(working)
    again.end_left()  # it goes on from what was written
    assert again.once() == 0
    assert alerts() == [
        ("lifecycle/fails/failing", "began", "fails failed 2 times, the last time: fails: error: no rows"),
        ("lifecycle/fails/failing", "resolved", "fails works again"),
    ]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_jobs_end_with_the_loop_or_when_it_is_started_again(number, supervisor):
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    loop = subprocess.Popen([sys.executable, "-c", LOOP], env=environment, stdout=subprocess.PIPE, text=True)
    until(lambda: Path("loop/hangs.running.json").is_file() and len(members(noted("hangs"))) == 2)
    pid = noted("hangs")
    loop.send_signal(number)
    loop.wait(DEADLINE_S)
    if number == signal.SIGTERM:
        assert loop.returncode == 0 and members(pid) == []
        return
    assert len(members(pid)) == 2
    looping = supervisor(job(*HANGS))
    looping.end_left()
    assert members(pid) == [] and not Path("loop/hangs.running.json").exists()


def test_a_number_that_another_process_has_now_is_left_alone(supervisor):
    other = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        Path("loop/hangs.running.json").write_text(json.dumps({"pid": other.pid, "ticks": 1, "boot": boot}))
        supervisor(job(*HANGS)).end_left()
        assert other.poll() is None
        Path("loop/hangs.running.json").write_text("{")
        supervisor(job(*HANGS)).end_left()
    finally:
        other.kill()
        other.wait()


def test_each_command_gets_the_settings_of_its_sections(monkeypatch):
    monkeypatch.chdir(ROOT)
    words = [
        "feedback.folder=f",
        "rollout.every_s=60",
        "monitor.every_s=7",
        "lifecycle.loop.journal_s=2.5",
        "serving.server.store=s",
    ]
    jobs = {one.name: one for one in jobs_of(read_overrides(words, SECTIONS))}
    assert list(jobs) == ["journal", "feedback", "monitor", "retraining", "rollout"]
    assert [jobs[name].every_s for name in ("journal", "monitor", "rollout")] == [2.5, 7, 60]
    assert jobs["journal"].command[3:] == ()
    assert jobs["feedback"].command == (".venv-load/bin/python", "-m", "lifecycle.feedback", "--set", "feedback.folder=f")
    assert jobs["retraining"].command[3:] == ("look", *words)
    assert jobs["rollout"].command[:4] == (".venv-serving/bin/python", "-m", "lifecycle.rollout", "--once")
    assert jobs["rollout"].command[4:] == (
        "feedback.folder=f",
        "rollout.every_s=60",
        "monitor.every_s=7",
        "serving.server.store=s",
    )


@pytest.mark.parametrize(
    "word, says",
    [
        ("train.lr=1", "expected section.key=value with a section of serving.journal, .*, got 'train.lr=1'"),
        ("rollout.folder", "expected section.key=value"),
        ("rollout.folder=[", "the value of 'rollout.folder=\\[' is not YAML"),
        ("lifecycle.loop.journal_s=0", "journal_s"),
        ("lifecycle.loop.journal=1", "lifecycle"),
    ],
)
def test_a_setting_that_is_none_is_refused(word, says, monkeypatch):
    monkeypatch.chdir(ROOT)
    with pytest.raises(ConfigError, match=says):
        jobs_of(read_overrides([word], SECTIONS))


def test_settings_are_merged_into_their_section(monkeypatch):
    monkeypatch.chdir(ROOT)
    plain = read_overrides([], SECTIONS).section("lifecycle", LifecycleConfig)
    told = read_overrides(["lifecycle.retraining.every=7d", "lifecycle.retraining.rows=5"], SECTIONS)
    changed = told.section("lifecycle", LifecycleConfig)
    assert (changed.retraining.every, changed.retraining.rows) == ("7d", 5)
    assert (changed.retraining.folder, changed.loop) == (plain.retraining.folder, plain.loop)
    with pytest.raises(ConfigError, match="is below a key that is given a value as well"):
        read_overrides(["lifecycle.retraining=1", "lifecycle.retraining.rows=5"], SECTIONS)
