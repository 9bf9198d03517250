"""The `feedback` section of `params.yaml`: where labels go, and when one is final."""

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

STRICT = ConfigDict(extra="forbid", allow_inf_nan=False)


@dataclass(frozen=True, kw_only=True, config=STRICT)
class FeedbackConfig:
    folder: str = Field(min_length=1)  # of the store and of the final labels
    labelled: str = Field(min_length=1)  # folder of the rows that can be trained on
    all_shown: bool  # was every row that was answered shown too; if not, only those with a shown event have a label
    maturity_h: float = Field(gt=0)  # hours after the answer within which a click may come; then no click is final
    expiry_days: float = Field(gt=0)  # a label whose answer has not turned up so long after the label's event is given up
