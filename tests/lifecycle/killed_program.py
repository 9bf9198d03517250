"""A command that dies by itself: after so many calls that change something on the disk."""

import sys
from collections.abc import Sequence

KILLED = """
import os, runpy, sys
left, module, names = int(sys.argv.pop(1)), sys.argv.pop(1), sys.argv.pop(1)
def counted(call):
    def counting(*args, **kwargs):
        global left
        left -= 1
        if left < 0:
            os._exit(9)
        return call(*args, **kwargs)
    return counting
for name in names.split(","):
    setattr(os, name, counted(getattr(os, name)))
runpy.run_module(module, run_name="__main__", alter_sys=True)
"""
CALLS = ("replace", "fsync", "open", "close", "mkdir")  # of `os`


def killed_after(left: int, module: str, calls: Sequence[str] = CALLS) -> list[str]:
    """The beginning of a command line: `python -m module`, which ends with code 9 at the call after the first `left` ones."""
    return [sys.executable, "-c", KILLED, str(left), module, ",".join(calls)]
