"""How often somebody looks at a folder who has to again and again: a journal may have a million files."""

import time
from types import TracebackType
from typing import Self

SHARE = 0.02  # of the time is spent on looking, at most


class Pace:
    """`with pace:` is a look. The next one is due `every_s` after it, or later, so that looking takes SHARE of the time."""

    def __init__(self, every_s: float) -> None:
        self._every_s, self._due = every_s, time.monotonic()

    @property
    def left_s(self) -> float:
        """Until the next look is due; 0 if it is."""
        return max(0.0, self._due - time.monotonic())

    def __enter__(self) -> Self:
        self._began = time.monotonic()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        now = time.monotonic()
        self._due = now + max(self._every_s, (now - self._began) * (1 / SHARE - 1))
