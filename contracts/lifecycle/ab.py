"""The `ab` section of `params.yaml`: when two releases may be compared by what users do, and how surely."""

from typing import Annotated

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

STRICT = ConfigDict(extra="forbid", allow_inf_nan=False)
Chance = Annotated[float, Field(gt=0, lt=0.5)]
Part = Annotated[float, Field(gt=0, lt=1)]


@dataclass(frozen=True, kw_only=True, config=STRICT)
class AbConfig:
    """What `make ab` compares, and what it needs before it says anything."""

    value: str | None = Field(min_length=1)  # declared number that a clicked row is worth; None: a click is worth one
    alpha: Chance  # chance that the interval ever leaves out the true difference
    effect: (
        Part  # difference, as a share of the champion's figure, for which the interval is tight, as for 5 and 25 times as much
    )
    days: int = Field(ge=1)  # with final labels, before anything is said
    keys: int = Field(ge=500)  # of either arm; asymptotic intervals do not hold before
    clicks: int = Field(ge=50)  # of either arm
    alpha_ratio: Chance  # chance that the arms seem to have got other shares than the route says
    max_in_both: float = Field(ge=0, lt=1)  # share of the entities that may have been answered by both arms
    least_returning: Part  # share of the page views whose key was there before; with fewer the keys were drawn, and are nobody's
