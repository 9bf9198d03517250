"""The user's own command: run once for each thing that happens to an alert, with the alert as JSON on its standard input."""

import os
import signal
import subprocess
from collections.abc import Sequence
from contextlib import suppress

from lifecycle.alerts.alert import Alert

SAID = 300  # characters of what a command that failed wrote


def run_command(command: Sequence[str], alert: Alert, timeout_s: float) -> str | None:
    """None if it ended with 0 in time, else why not, as a sentence. What it has started ends with it if it takes too long."""
    try:
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True
        )
    except (OSError, ValueError) as error:
        return f"{command[0]} cannot be started: {getattr(error, 'strerror', None) or error}"
    try:
        _, said = process.communicate(alert.line().encode() + b"\n", timeout_s)
    except subprocess.TimeoutExpired:
        _end(process)
        return f"{command[0]} did not end within {timeout_s:g} s (monitor.alerts.timeout_s) and was ended"
    if process.returncode == 0:
        return None
    words = " ".join(said.decode("utf-8", "replace").split())[-SAID:]
    return f"{command[0]} ended with {process.returncode}{f': {words}' if words else ''}"


def _end(process: "subprocess.Popen[bytes]") -> None:
    """The process and all of its session."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    for stream in (process.stdin, process.stderr):
        if stream is not None:
            with suppress(OSError):
                stream.close()
