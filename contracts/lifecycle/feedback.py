"""The `feedback` section of `params.yaml`: where labels go, and when one is final."""

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

STRICT = ConfigDict(extra="forbid", allow_inf_nan=False)
HOUR_NS = 3600 * 10**9


@dataclass(frozen=True, kw_only=True, config=STRICT)
class FeedbackConfig:
    folder: str = Field(min_length=1)  # of the store and of the final labels
    labelled: str = Field(min_length=1)  # folder of the rows that can be trained on
    all_shown: bool  # was every row that was answered shown too; if not, only those with a shown event have a label
    maturity_h: float = Field(gt=0)  # hours after the answer within which a click may come; then no click is final
    expiry_days: float = Field(gt=0)  # a label whose answer has not turned up so long after the label's event is given up
    late_h: float = Field(gt=0)  # hours that the watermark may lie behind the clock before labels are late
    retry_h: float = Field(gt=0)  # hours within which two answers of one request id are one request that was sent again
    max_rejected: float = Field(ge=0, lt=1)  # share of a file's rows; one with more is refused, and nothing of it taken in
    port: int = Field(ge=0, le=65535)  # of the endpoint, on loopback; 0: any that is free
    secret_file: str = Field(min_length=1)  # that senders to the endpoint have to know; made if missing
    max_body_mib: float = Field(gt=0)  # of one request to the endpoint
    every_s: float = Field(gt=0)  # between two looks of the endpoint for answers and for what has matured, of the machine's clock
    memory_mib: int = Field(ge=64)  # that the store may take for its work; what is larger goes through the disk
    threads: int = Field(ge=1)  # of the store

    @property
    def maturity_ns(self) -> int:
        return int(self.maturity_h * HOUR_NS)

    @property
    def expiry_ns(self) -> int:
        return int(self.expiry_days * 24 * HOUR_NS)

    @property
    def retry_ns(self) -> int:
        return int(self.retry_h * HOUR_NS)
