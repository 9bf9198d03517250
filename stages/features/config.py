"""Configuration of stages fit and encode."""

from typing import Literal

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

STRICT = ConfigDict(extra="forbid", allow_inf_nan=False)


@dataclass(frozen=True, kw_only=True, config=STRICT)
class SelectionConfig:
    min_z: float = Field(ge=0)  # standard deviations above chance that a column's information must reach
    min_columns: int = Field(ge=1)  # the best so many stay even when chance explains them
    max_missing_frac: float = Field(gt=0, le=1)  # a column missing more often is dropped
    max_explained: float = Field(gt=0, le=1)  # share of the label's entropy above which a column must be a leak
    num_shuffles: int = Field(ge=10)  # label shuffles that say what chance gives


@dataclass(frozen=True, kw_only=True, config=STRICT)
class FeaturesConfig:
    min_count: int = Field(ge=1)  # training rows a value needs to have an id of its own
    max_values: int = Field(ge=1)  # ids a column has at most; the most frequent values get them
    overflow: Literal["unknown", "hash"]  # what values without an id of their own become; hash: they share ids by a hash
    overflow_buckets: int = Field(ge=1, le=1 << 20)  # of a column, that its values are hashed into
    overflow_columns: tuple[str, ...] | None  # those whose values are hashed; None: all
    num_buckets: int = Field(ge=2, le=1024)  # quantile buckets of a numeric column, at most: small tables get fewer
    max_sigma: float = Field(gt=0)  # standardised numbers are cut to +- this
    image_size: int = Field(ge=8, le=512)  # pixels, side of the creatives as the model sees them
    selection: SelectionConfig
