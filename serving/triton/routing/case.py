"""A request on its way through the arms."""

from dataclasses import dataclass, replace
from uuid import UUID

import numpy as np

from serving.triton.journal.layout import ANSWERED, SHADOW
from serving.triton.journal.record import Routed
from serving.triton.packed_request import PackedRequest
from serving.triton.routing.choice import Chosen


@dataclass(frozen=True, kw_only=True)
class Case:
    """A request, its place among those that came together, and what the route made of it."""

    number: int
    request: PackedRequest
    chosen: Chosen

    def routed(self, status: int = ANSWERED, prediction_id: str | None = None) -> Routed:
        """As the journal is told. `prediction_id`: of the answer that is shadowed."""
        shadowed = None if prediction_id is None else UUID(prediction_id).bytes
        chosen = self.chosen
        return Routed(
            arm=chosen.arm, status=status, bucket=chosen.bucket, flags=chosen.flags, key=chosen.key,
            shadowed=shadowed if status == SHADOW else None,
        )  # fmt: skip

    def kept(self) -> "Case":
        """The same with rows of its own: those that Triton handed over are there only until it is answered."""
        return replace(self, request=detached(self.request))


def detached(request: PackedRequest) -> PackedRequest:
    raw = None if request.raw is None else np.array(request.raw.view(np.ndarray))
    return replace(request, raw=raw, numeric_NM=np.array(request.numeric_NM))
