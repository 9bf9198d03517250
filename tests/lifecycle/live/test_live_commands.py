"""What runs after a day, the clock of a server, and one program at a time."""

import os
import signal
import subprocess
import sys
import time
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from contracts.clock import CLOCK, clock, simulated
from lifecycle.live.__main__ import only_one, parse
from lifecycle.live.after import DayCommands, missing
from lifecycle.live.ask import wait_until
from lifecycle.live.server import begin_clock, refuse_late_clock, refuse_other_clock
from tests.serving.served_world import wait_for

DAYS = [date(2026, 8, day) for day in (1, 2, 3)]
NOTE = "import sys, os; open('ran', 'a').write(' '.join([*sys.argv[1:], os.environ.get('ADCLICK_CLOCK', '')]) + '\\n')"


def noting(*words: str) -> list[str]:
    return [sys.executable, "-c", NOTE, *words]


def test_commands_run_in_order_with_the_clock_and_a_day_that_had_them_is_known(project, monkeypatch):
    monkeypatch.setenv(CLOCK, "1 2 3")
    places = {"journal": "live/journal", "events": "live/feedback/{day}.jsonl"}
    commands = [noting("a", "{journal}"), noting("b", "{events}")]
    with DayCommands(commands, project / "after", places) as after:
        after.day_over(DAYS[0])
        wait_for(lambda: after.has_run(DAYS[0]), 30, "the day's commands")
        assert not after.has_run(DAYS[1])
    assert (project / "ran").read_text() == "a live/journal 1 2 3\nb live/feedback/2026-08-01.jsonl 1 2 3\n"
    assert DayCommands(commands, project / "after", places).has_run(DAYS[0])


def test_days_that_are_over_meanwhile_share_what_names_no_day(project):
    slow = [sys.executable, "-c", "import time; time.sleep(0.5); open('ran', 'a').write('slow\\n')"]
    with DayCommands([slow, noting("{day}")], project / "after", {}) as after:
        for day in DAYS:
            after.day_over(day)
    lines = (project / "ran").read_text().split()
    assert lines.count("slow") in (1, 2) and [line for line in lines if line != "slow"] == [str(day) for day in DAYS]
    assert all(after.has_run(day) for day in DAYS)


def test_a_command_that_fails_is_told_and_those_after_it_run(project):
    said = list[str]()
    failing = [sys.executable, "-c", "import sys; print('first', file=sys.stderr); sys.exit('it broke')"]
    with DayCommands([failing, noting("after")], project / "after", {}, said.append) as after:
        after.day_over(DAYS[0])
    assert (project / "ran").read_text() == "after \n"
    assert said == [f"live: after 2026-08-01 `{' '.join(failing)}` ended with code 1: it broke"]


def test_what_is_not_here_is_left_out_and_told_once(project):
    (project / "Makefile").write_text("monitor:  ## watch\n\ttrue\n")
    (project / "lifecycle/there").mkdir(parents=True)
    (project / "lifecycle/there/__main__.py").touch()
    assert missing(["make", "monitor"]) is None and missing(["make", "feedback", "INPUT=x"]) == "there is no `make feedback`"
    assert missing([sys.executable, "-m", "lifecycle.there"]) is None
    assert missing([sys.executable, "-m", "lifecycle.gone"]) == "there is no lifecycle/gone/"
    assert missing(["./nothing"]) == "./nothing is not here"
    said = list[str]()
    with DayCommands([["make", "feedback"], noting("x")], project / "after", {}, said.append) as after:
        for day in DAYS[:2]:
            after.day_over(day)
    assert said == ["live: after a day `make feedback` is left out: there is no `make feedback`"]


def test_an_error_stops_the_command_that_runs(project):
    sleeping = [sys.executable, "-c", "import time; open('begun', 'w'); time.sleep(600)"]
    started = time.monotonic()
    with pytest.raises(KeyboardInterrupt), DayCommands([sleeping], project / "after", {}) as after:
        after.day_over(DAYS[0])
        wait_for(lambda: (project / "begun").exists(), 30, "the command")
        raise KeyboardInterrupt
    assert time.monotonic() - started < 300 and not after.has_run(DAYS[0])


def test_the_clock_of_a_play_reaches_its_first_page_view_when_the_server_is_up(monkeypatch):
    monkeypatch.setenv(CLOCK, "")
    start_ms = 1_785_542_400_000
    begun = begin_clock(start_ms, 30.0, 4320)
    assert os.environ[CLOCK] == begun.variable() and clock() == begun
    left_s = (start_ms - clock().now_ns() / 1e6) / 1000 / 4320
    assert 20 < left_s <= 30
    refuse_late_clock(start_ms)
    begin_clock(start_ms, -1000.0, 4320)
    with pytest.raises(ValueError, match="the clock has passed the next page view 1000 s ago; start the server"):
        refuse_late_clock(start_ms)
    monkeypatch.delenv(CLOCK)
    with pytest.raises(ValueError, match="a server that runs needs the clock of this play: export ADCLICK_CLOCK="):
        refuse_late_clock(start_ms)


def test_a_server_with_another_clock_is_told_by_its_answer(monkeypatch):
    monkeypatch.setenv(CLOCK, simulated(datetime(2026, 8, 1, tzinfo=UTC), 4320).variable())

    def answer_at(ms: int) -> str:
        digits = f"{ms:012x}"
        return f"{digits[:8]}-{digits[8:]}-7abc-8def-0123456789ab"

    refuse_other_clock(answer_at(clock().now_ns() // 1_000_000))
    with pytest.raises(ValueError, match="the server has another clock, it is 2026-11-30 .* there, 2026-08-01 .* here"):
        refuse_other_clock(answer_at(1_796_000_000_000))


def test_waiting_is_of_the_clock(monkeypatch):
    monkeypatch.setenv(CLOCK, simulated(datetime(2026, 8, 1, tzinfo=UTC), 86_400).variable())
    started = time.monotonic()
    wait_until(1_785_542_400_000 + 43_200_000)
    assert 0.3 < time.monotonic() - started < 60 and clock().now().hour >= 12
    wait_until(0)


def test_one_program_plays_in_a_folder(project):
    code = "import sys, time\nfrom pathlib import Path\nfrom lifecycle.live.__main__ import only_one\n"
    code += "with only_one(Path('live')):\n    print('mine', flush=True)\n    time.sleep(600)\n"
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[3])}
    other = subprocess.Popen([sys.executable, "-c", code], cwd=project, env=environment, stdout=subprocess.PIPE, text=True)
    try:
        assert other.stdout.readline() == "mine\n"
        with pytest.raises(ValueError, match="another program plays in .*live/; wait for it"), only_one(project / "live"):
            pass
    finally:
        other.send_signal(signal.SIGKILL)
        other.wait()
        other.stdout.close()
    with only_one(project / "live"):
        pass


def test_the_command_line(capsys):
    args = parse(["--fault", "cents", "policy=top1_of_k", "months=2"])
    assert (args.fault, args.settings, args.url) == ("cents", ["policy=top1_of_k", "months=2"], None)
    with pytest.raises(ValueError, match="--url and --journal are given together"):
        parse(["--url", "127.0.0.1:8001"])
