"""Runs a command where there is nobody to reach, and tells what it wrote and whom it turned to: strace looks on.

The command has an empty home folder, an environment of its own, and a network namespace that holds loopback alone.
"""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

from tests.privacy.traces import TRACED, Seen, read_traces

ROOT = Path(__file__).resolve().parents[2]
OWN_TEMPORARY = "temporary"  # TMPDIR, beside the home folder
TEMPORARY = (Path("/tmp"), Path("/var/tmp"))  # where Triton and DVC write, whatever TMPDIR says
DEADLINE_S = 300.0
KEPT = ("LANG", "LC_ALL", "TZ", "LD_LIBRARY_PATH")  # of the environment of whoever runs the tests


@dataclass(frozen=True, kw_only=True)
class Watched:
    """A finished command."""

    code: int
    said: str  # on stdout and stderr
    seen: Seen
    home: Path

    def strays(self, *allowed: Path) -> list[str]:
        """What was written in the home folder, or elsewhere than below `allowed` and in a folder for temporary files."""
        at_home = [path for path in self.seen.written if path.is_relative_to(self.home)]
        outside = self.seen.outside(*allowed, self.home.with_name(OWN_TEMPORARY), *TEMPORARY)
        return sorted({str(path) for path in (*at_home, *outside)})


@cache
def why_not() -> str | None:
    """Why no command can be watched on this machine; None if it can."""
    for program in ("strace", "unshare"):
        if shutil.which(program) is None:
            return f"there is no {program}, which tells what a command does; install it (apt-get install strace util-linux)"
    tried = subprocess.run([*_alone(), *_traced(Path("/dev/null")), "true"], capture_output=True, text=True, check=False)
    if tried.returncode:
        reason = (tried.stderr.strip() or "no reason given").splitlines()[-1]
        return f"this machine allows no network namespace, or no strace: {reason}"
    return None


def watch(
    command: Sequence[str], folder: Path, own: Path, environment: Mapping[str, str] | None = None, deadline_s: float = DEADLINE_S
) -> Watched:
    """Run `command` in `folder` to its end. `own` is a new folder, in which home, temporary files and traces get theirs.

    Skips the test where that cannot be done. Past the deadline the test fails, and nothing of the command is left.
    """
    if (reason := why_not()) is not None:
        pytest.skip(reason)
    home, temporary, traces = (own / name for name in ("home", OWN_TEMPORARY, "traces"))
    for made in (home, temporary, traces):
        made.mkdir(parents=True)
    given = {name: os.environ[name] for name in KEPT if name in os.environ}
    given |= {"HOME": str(home), "TMPDIR": str(temporary), "PATH": f"{Path(sys.executable).parent}:/usr/local/bin:/usr/bin:/bin"}
    given |= {"PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1", **(environment or {})}
    process = subprocess.Popen(
        [*_alone(), *_traced(traces / "of"), *command],
        cwd=folder,
        env=given,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        said, _ = process.communicate(timeout=deadline_s)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        said, _ = process.communicate()
        pytest.fail(f"{command} took more than {deadline_s:g} s: {said}")
    return Watched(code=process.returncode, said=said, seen=read_traces(traces, folder), home=home)


def _alone() -> list[str]:
    """What gives a command a network of its own."""
    mapped = [] if os.getuid() == 0 else ["--map-root-user"]
    return ["unshare", "--net", *mapped, sys.executable, "-I", str(Path(__file__).with_name("loopback_up.py"))]


def _traced(output: Path) -> list[str]:
    return ["strace", "-f", "-ff", "-qq", "-y", "-s", "32", "--seccomp-bpf", "-e", f"trace={TRACED}", "-o", str(output)]
