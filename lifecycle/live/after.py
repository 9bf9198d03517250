"""Commands after each simulated day, beside the play: the journal's Parquet, feedback, the monitor, in the order of the settings.

A day's commands may take longer than a day. Then those that do not name a day are run once for all days that are over meanwhile.
"""

import os
import queue
import re
import shutil
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from pathlib import Path
from types import TracebackType

from contracts.files import write_whole

OF_A_DAY = ("{events}", "{day}")
LOG = "after.log"
Say = Callable[[str], None]


class DayCommands:
    """Runs them in a thread. At the end of the `with` all have run, unless it ends by an error: then they are stopped.

    `places` fills in what the commands name. A day whose commands have run has a file in `folder`.
    """

    def __init__(self, commands: Sequence[Sequence[str]], folder: Path, places: Mapping[str, str], say: Say = print) -> None:
        self._folder, self._places, self._say = folder, dict(places), say
        self._commands = [command for command in commands if not self._left_out(command)]
        self._days: queue.Queue[date | None] = queue.Queue()
        self._stopped = threading.Event()
        self._running: subprocess.Popen[str] | None = None
        self._thread = threading.Thread(target=self._work, name="after", daemon=True)

    def __enter__(self) -> "DayCommands":
        self._folder.mkdir(parents=True, exist_ok=True)
        self._thread.start()
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if kind is not None:
            self._stopped.set()
            if self._running is not None:
                self._running.terminate()
        self._days.put(None)
        self._thread.join()

    def has_run(self, day: date) -> bool:
        return (self._folder / str(day)).exists()

    def day_over(self, day: date) -> None:
        self._days.put(day)

    @property
    def waiting(self) -> int:
        return self._days.qsize()

    def _left_out(self, command: Sequence[str]) -> bool:
        reason = missing(command)
        if reason is not None:
            self._say(f"live: after a day `{' '.join(command)}` is left out: {reason}")
        return reason is not None

    def _work(self) -> None:
        while days := self._over():
            self._run_all(days)
            if self._stopped.is_set():
                return
            for day in days:
                write_whole(self._folder / str(day), b"")

    def _over(self) -> list[date]:
        """The days that are over meanwhile, at least one; none if there will be no more."""
        days = [self._days.get()]
        while not self._days.empty():
            days.append(self._days.get())
        if days[-1] is None:
            self._days.put(None)
        return [day for day in days if day is not None]

    def _run_all(self, days: list[date]) -> None:
        for command in self._commands:
            names_day = any(name in word for word in command for name in OF_A_DAY)
            for day in days if names_day else days[-1:]:
                if not self._stopped.is_set():
                    self._run([filled(word, self._places | {"day": str(day)}) for word in command], day)

    def _run(self, command: list[str], day: date) -> None:
        with (self._folder / LOG).open("a") as log:
            self._running = subprocess.Popen(command, stdout=log, stderr=subprocess.PIPE, text=True, stdin=subprocess.DEVNULL)
            _, err = self._running.communicate()
            log.write(err)
        if self._running.returncode != 0 and not self._stopped.is_set():
            last = (err.strip().splitlines() or ["it said nothing"])[-1]
            self._say(f"live: after {day} `{' '.join(command)}` ended with code {self._running.returncode}: {last}")


def filled(word: str, places: Mapping[str, str]) -> str:
    """With {names} replaced; those of `places` may hold others."""
    for _ in range(2):
        for name, value in places.items():
            word = word.replace(f"{{{name}}}", value)
    return word


def missing(command: Sequence[str]) -> str | None:
    """Why the command cannot be run; None if it can."""
    program = command[0]
    if not (os.access(program, os.X_OK) if "/" in program else shutil.which(program)):
        return f"{program} is not here"
    if program == "make":
        text = Path("Makefile").read_text(encoding="utf-8") if Path("Makefile").is_file() else ""
        return None if re.search(rf"^{re.escape(command[1])}:", text, re.MULTILINE) else f"there is no `make {command[1]}`"
    if "-m" in command[1:]:
        name = Path(command[command.index("-m") + 1].replace(".", "/"))
        return None if name.with_suffix(".py").is_file() or (name / "__main__.py").is_file() else f"there is no {name}/"
    return None
