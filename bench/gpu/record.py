"""What the check has measured so far: a file that is written anew after every measurement, since a run may be cut."""

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.parts import one_line
from stages.files import write_json

FORMAT = 1  # of the file


class Record:
    """The file at `path`, and what is left of `limit_s` seconds from now."""

    def __init__(self, path: Path, limit_s: float, facts: dict[str, Any]) -> None:
        self.path, self.limit_s = path, limit_s
        self.started_s = time.monotonic()
        self.content: dict[str, Any] = {"format": FORMAT, **facts, "measurements": []}
        write_json(path, self.content)

    @property
    def left_s(self) -> float:
        return self.limit_s - (time.monotonic() - self.started_s)

    def take(self, name: str, needs_s: float, measure: Callable[[], dict[str, Any]], **about: Any) -> dict[str, Any] | None:
        """What `measure` gives, written down beside `about`; None where it fails, or is left out because some `needs_s`
        seconds are no longer left. The reason is then in the file, and the others go on.
        """
        entry: dict[str, Any] = {"name": name, **about}
        started_s, value = time.monotonic(), None
        if needs_s > self.left_s:
            entry["skipped"] = f"needs some {needs_s:.0f} s, and {max(self.left_s, 0):.0f} of {self.limit_s:.0f} s are left"
        else:
            try:
                entry["value"] = value = measure()
            except Exception as error:  # whatever one fails with, the others are measured; it is printed and written down
                entry["error"] = f"{type(error).__name__}: {one_line(error)}"
        entry["seconds"] = round(time.monotonic() - started_s, 1)
        self.content["measurements"].append(entry)
        write_json(self.path, self.content)
        came = entry.get("skipped") or entry.get("error") or entry["value"]
        print(f"gpu-check: {name}: {came} ({entry['seconds']} s)", file=sys.stderr, flush=True)
        return value
