"""Asking again: when, how often, and until when. A prediction has no side effects, so asking twice does no harm."""

import time
from dataclasses import dataclass
from typing import TypeVar

from tenacity import (
    AsyncRetrying,
    RetryCallState,
    Retrying,
    retry_if_exception_type,
    stop_after_attempt,
    stop_before_delay,
    wait_random_exponential,
)

from serving.client.errors import DeadlineExceeded, ServerUnavailable

FIRST_WAIT_S, LONGEST_WAIT_S = 0.1, 2.0  # the longest that the first and any later pause can be; the real one is random
Kind = TypeVar("Kind", Retrying, AsyncRetrying)


@dataclass(frozen=True)
class Deadline:
    """A moment at which a call of the client has to be done."""

    limit_s: float
    at: float  # of time.monotonic()

    @classmethod
    def after(cls, limit_s: float) -> "Deadline":
        return cls(limit_s, time.monotonic() + limit_s)

    def left(self) -> float:
        """Seconds. Raises DeadlineExceeded if there are none."""
        seconds = self.at - time.monotonic()
        if seconds <= 0:
            raise self.exceeded()
        return seconds

    def exceeded(self) -> DeadlineExceeded:
        return DeadlineExceeded(f"the rows were not answered within {self.limit_s:g} s (deadline_s)")


def retrying(kind: type[Kind], attempts: int, deadline: Deadline) -> Kind:
    """Repeats what raises ServerUnavailable, at most `attempts` times and not beyond the deadline."""
    return kind(
        retry=retry_if_exception_type(ServerUnavailable),
        wait=wait_random_exponential(multiplier=FIRST_WAIT_S, max=LONGEST_WAIT_S),
        stop=stop_after_attempt(attempts) | stop_before_delay(deadline.left()),
        retry_error_callback=_give_up,
    )


def _give_up(state: RetryCallState) -> None:
    tries = "once" if state.attempt_number == 1 else f"{state.attempt_number} times"
    reason = state.outcome and state.outcome.exception()
    raise ServerUnavailable(f"{reason} (tried {tries} in {state.seconds_since_start:.1f} s)") from None
