"""What a load run starts it also ends: with what it started itself, and also if it does not want to."""

import os
import sys
import time
from pathlib import Path

from loadtests.users import children
from tests.serving.served_world import wait_for

STUBBORN = """
import signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print(subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]).pid, flush=True)
time.sleep(60)
"""


def test_a_process_that_does_not_want_to_end_is_killed_with_what_it_started(tmp_path):
    log = tmp_path / "log"
    process = children.start([sys.executable, "-c", STUBBORN], log)
    wait_for(lambda: log.read_text().strip(), 20, "the grandchild")
    grandchild = int(children.last_words(log))
    began_s = time.monotonic()
    children.end([process], within_s=0.3)
    assert process.returncode == -9 and time.monotonic() - began_s < 3
    wait_for(lambda: not alive(grandchild), 5, "the grandchild ends")


def test_a_process_that_ends_in_order_is_given_the_time(tmp_path):
    words = (
        "import signal, sys, time\nsignal.signal(signal.SIGTERM, lambda *_: sys.exit(7))\nprint('up', flush=True)\ntime.sleep(60)"
    )
    process = children.start([sys.executable, "-c", words], tmp_path / "log")
    wait_for(lambda: (tmp_path / "log").read_text().strip() == "up", 20, "the process")
    children.end([process], within_s=20)
    assert process.returncode == 7


def test_the_last_line_of_a_log_is_what_a_process_said(tmp_path):
    log = tmp_path / "log"
    log.write_text("one\n two \n\n")
    assert children.last_words(log) == "two"
    log.write_text("")
    assert children.last_words(log) == "it said nothing"


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (OSError, ProcessLookupError):
        return False
