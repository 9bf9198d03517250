"""The client of the served model: `from serving.client import CtrClient`."""

from serving.client.client import AsyncCtrClient, CtrClient
from serving.client.errors import (
    BrokenRows,
    DeadlineExceeded,
    RefusedRequest,
    RefusedRow,
    ServerFailed,
    ServerUnavailable,
    StaleModel,
)
from serving.client.protocols import Prediction

__all__ = [
    "AsyncCtrClient",
    "BrokenRows",
    "CtrClient",
    "DeadlineExceeded",
    "Prediction",
    "RefusedRequest",
    "RefusedRow",
    "ServerFailed",
    "ServerUnavailable",
    "StaleModel",
]
