"""Looks at a rollout until it has ended, or once."""

import signal
import sys
import threading
from pathlib import Path

from contracts.clock import clock
from contracts.terminal import sentence
from lifecycle.deploy.commands import exit_code
from lifecycle.rollout.control.begin import begin_newest
from lifecycle.rollout.control.commands import NONE
from lifecycle.rollout.control.control import Control
from lifecycle.rollout.control.files import read_rollout
from lifecycle.rollout.control.look import look_once
from lifecycle.rollout.rollout import Rollout

PAGE = (".venv-load/bin/python", "-m", "lifecycle.rollout.page")


def once(control: Control) -> int:
    """One look; what it changes is told as it happens."""
    rollout = read_rollout(control.root)
    if rollout is None or rollout.status == "ended":
        control.say(f"rollout: {NONE}")
    if look_once(control):
        write_page(control)
    return 0


def follow(control: Control) -> int:
    """Look until the rollout has ended; a look that fails is told, and the next one comes all the same. 0: promoted."""
    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())
    rollout = read_rollout(control.root)
    if rollout is None or rollout.status == "ended":
        rollout = begin_newest(control)
    while rollout.status != "ended" and not stopped.is_set():
        try:
            if look_once(control):
                write_page(control)
        except (ValueError, OSError) as error:
            print(f"rollout: error: {sentence(error)}; the next look tries again", file=sys.stderr, flush=True)
        rollout = read_rollout(control.root) or rollout
        if rollout.status != "ended":
            stopped.wait(control.config.every_s / clock().rate)
    return ended(control, rollout)


def write_page(control: Control) -> None:
    """reports/rollout.html, by the environment that has what draws it; without that there is none."""
    program = Path(PAGE[0])
    if program.is_file() and exit_code([*PAGE, "--folder", str(control.root)]):
        control.say("rollout: the page could not be written; what was decided stays")


def ended(control: Control, rollout: Rollout) -> int:
    """The exit code: 0 if the challenger is the champion now, or may become it yet."""
    if rollout.status != "ended":
        hours = control.config.valid_s / 3600
        control.say(f"rollout: stopped; within {hours:g} h the champion answers everybody, until `make rollout` goes on")
        return 0
    return 0 if rollout.outcome == "promoted" else 1
