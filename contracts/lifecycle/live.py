"""The `live` section of `params.yaml`: how months are played against the running server."""

from typing import Literal

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

STRICT = ConfigDict(extra="forbid", allow_inf_nan=False)


@dataclass(frozen=True, kw_only=True, config=STRICT)
class LiveConfig:
    months: int = Field(ge=1)  # that are played, from the one after the last of exchange.months on
    candidates: int = Field(ge=1, le=1000)  # creatives that a page view asks about
    policy: Literal["all", "top1_of_k"]  # which of them are shown: all, or the one with the highest p_click
