"""A request of a load run, ready to be sent, and the ways in which one is sent."""

from dataclasses import dataclass

import numpy as np

KINDS = ("grpc", "http_binary", "http_json")


@dataclass(frozen=True, kw_only=True, eq=False)
class PreparedRequest:
    """A request, ready to be sent."""

    kind: str
    malformed: bool
    num_rows: int
    header_length: int
    body: bytes
    expected_N: np.ndarray  # float32 probabilities; empty if the request must be refused
