"""What time it is, for all that comes after a model is served: the machine's, or a simulated one by which months pass in minutes.

A simulated clock is a function of the machine's, so that processes that have never heard of each other agree, and one that is
started later too. `serving/native/journal/clock.h` reads the same variable.
"""

import os
import time
from dataclasses import dataclass
from datetime import UTC, datetime

CLOCK = "ADCLICK_CLOCK"  # environment variable: "START_NS FROM_NS RATE"; not there: the machine's time
FASTEST = 10_000_000  # so many seconds in one: four months
LATEST_NS = 9_000_000_000_000_000_000  # in the year 2255; times are int64


@dataclass(frozen=True, kw_only=True)
class Clock:
    """It was `start_ns` (nanoseconds since 1970) when the machine's clock said `from_ns`, and goes `rate` times as fast."""

    start_ns: int = 0
    from_ns: int = 0
    rate: int = 1

    def now_ns(self) -> int:
        """Nanoseconds since 1970. It jumps when the machine's clock does: it may jump back."""
        return min(self.start_ns + (time.time_ns() - self.from_ns) * self.rate, LATEST_NS)

    def now(self) -> datetime:
        """In UTC, to the microsecond."""
        seconds, ns = divmod(self.now_ns(), 1_000_000_000)
        return datetime.fromtimestamp(seconds, UTC).replace(microsecond=ns // 1000)

    def variable(self) -> str:
        """What `CLOCK` is set to, so that other processes have this clock."""
        return f"{self.start_ns} {self.from_ns} {self.rate}"


def simulated(start: datetime, rate: int) -> Clock:
    """A clock that is at `start` now. Raises ValueError."""
    if start.tzinfo is None:
        raise ValueError(f"a clock starts at a time with its offset from UTC, got {start.isoformat()}")
    if not 1 <= rate <= FASTEST:
        raise ValueError(f"a clock goes 1 to {FASTEST} times as fast, got {rate}")
    return Clock(start_ns=int(start.timestamp()) * 1_000_000_000, from_ns=time.time_ns(), rate=rate)


def clock() -> Clock:
    """That of the environment, else the machine's. Raises ValueError."""
    text = os.environ.get(CLOCK)
    if text is None:
        return Clock()
    try:
        start_ns, from_ns, rate = map(int, text.split(" "))
    except ValueError:
        rate = 0
    if not (1 <= rate <= FASTEST and 0 <= start_ns <= LATEST_NS and 0 <= from_ns <= LATEST_NS):
        raise ValueError(f"{CLOCK} is not understood: expected 'START_NS FROM_NS RATE', got '{text[:60]}'")
    return Clock(start_ns=start_ns, from_ns=from_ns, rate=rate)
