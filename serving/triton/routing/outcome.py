"""What becomes of a request."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from serving.triton.refusal import Overloaded, Refused, Unwritten

FAILED = "the model could not answer this request; the server's log says why"


@dataclass(frozen=True, kw_only=True)
class Answered:
    """What a request is answered."""

    p_click_N: np.ndarray[Any, np.dtype[Any]]  # float32
    prediction_id: str | None  # None if no journal is kept
    release: int  # that answered


Outcome = Answered | Refused | Overloaded | Unwritten | str  # a text: it failed


def rule(outcome: Outcome) -> str | None:
    """Why a request has no answer, as the journal calls it; None if it has one."""
    if isinstance(outcome, Refused):
        return outcome.rule
    if isinstance(outcome, Overloaded):
        return "overloaded"
    return "failed" if isinstance(outcome, str) else None
