"""A throw-away copy of the project in which stages run as they do for a user, timed and weighed one by one."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import yaml

from stages.compose import compose_params

PROJECT = Path(__file__).absolute().parents[1]
WEIGH = PROJECT / "bench/weigh.py"
CODE = ("contracts", "stages", "serving", "bench", "conf")
SOURCES, SOURCES_ENV = Path("data/sources"), "ADCLICK_SOURCES"
STAGES = ("acquire", "validate", "split", "fit", "encode", "train", "export", "baselines", "evaluate")


class MeasurementError(RuntimeError):
    """A measured process failed; the text ends with what it said last."""


@dataclass(frozen=True, kw_only=True)
class Ran:
    """One finished process."""

    wall_s: float
    cpu_s: float  # user and system, of all its threads
    peak_mib: float  # largest resident set
    stdout: str


@dataclass(frozen=True, kw_only=True)
class Workspace:
    """A folder with the project's code and configuration, in which nothing has run yet."""

    root: Path

    def compose(self, overrides: list[str]) -> None:
        """Write params.yaml from conf/ with `overrides`; sources outside the project stay where they are."""
        params = compose_params(self.root / "conf", overrides)
        source = params["data"]["source"]
        if source["kind"] == "files" and "://" not in source["path"]:
            source["path"] = str(source_folder(source["path"]))
        (self.root / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False, allow_unicode=True))

    def stage(self, name: str, *args: str, environment: dict[str, str] | None = None) -> Ran:
        """Run `python -m stages.<name>` to its end."""
        return self.module(f"stages.{name}", *args, environment=environment)

    def stages(self, *names: str) -> dict[str, Ran]:
        return {name: self.stage(name) for name in names}

    def module(
        self,
        name: str,
        *args: str,
        python: Path | None = None,
        cwd: Path | None = None,
        environment: dict[str, str] | None = None,
    ) -> Ran:
        """Run `python -m <name>` to its end, in the workspace or in `cwd`. Raises MeasurementError if it fails."""
        return run([str(python or sys.executable), "-m", name, *args], cwd or self.root, environment)

    def remove(self, *names: str) -> None:
        """Remove outputs, so that the stage that makes them has all its work to do again."""
        for name in names:
            shutil.rmtree(self.root / name, ignore_errors=True)


def source_folder(path: str) -> Path:
    """Where the files of a declared `source.path` lie: those below data/sources/ may lie in ADCLICK_SOURCES instead."""
    elsewhere = os.environ.get(SOURCES_ENV)
    if elsewhere and Path(path).is_relative_to(SOURCES):
        return Path(elsewhere).resolve() / Path(path).relative_to(SOURCES)
    return (PROJECT / path).resolve()


def run(command: list[str], cwd: Path, environment: dict[str, str] | None = None) -> Ran:
    """Run `command` in `cwd`, with `environment` added, say so on stderr, and return what it took.

    Raises MeasurementError if it fails.
    """
    shown = " ".join(part if "/" not in part else Path(part).name for part in command[1:])
    print(f"bench:   {shown} ... ", end="", file=sys.stderr, flush=True)
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err, tempfile.TemporaryFile() as usage:
        started = time.perf_counter()
        own = os.environ | {"PYTHONPATH": str(cwd)} | (environment or {})
        weighed = [sys.executable, "-I", "-S", str(WEIGH), str(usage.fileno()), *command]
        process = subprocess.Popen(
            weighed, cwd=cwd, stdout=out, stderr=err, env=own, pass_fds=[usage.fileno()], start_new_session=True
        )
        try:
            process.wait()
        except BaseException:
            os.killpg(process.pid, signal.SIGKILL)
            raise
        wall_s = time.perf_counter() - started
        stdout, stderr, found = (_text(file) for file in (out, err, usage))
    took = json.loads(found) if found else {"cpu_s": 0.0, "peak_mib": 0.0, "returncode": process.returncode}
    print(f"{wall_s:.1f} s, {took['peak_mib']:.0f} MiB", file=sys.stderr, flush=True)
    if took["returncode"] or not found:
        last = " ".join(stderr.strip().splitlines()[-1:])
        raise MeasurementError(f"`{shown}` ended with {took['returncode']}: {last}")
    return Ran(wall_s=wall_s, cpu_s=took["cpu_s"], peak_mib=took["peak_mib"], stdout=stdout)


def _text(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode(errors="replace")


@contextmanager
def workspace(overrides: list[str]) -> Iterator[Workspace]:
    """A composed workspace in the folder for temporary files (TMPDIR); removed at the end."""
    with tempfile.TemporaryDirectory(prefix="adclick-bench-") as folder:
        root = Path(folder)
        for name in CODE:
            shutil.copytree(PROJECT / name, root / name, ignore=shutil.ignore_patterns("__pycache__"))
        made = Workspace(root=root)
        made.compose(overrides)
        yield made
