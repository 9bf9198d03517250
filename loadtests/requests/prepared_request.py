"""A request of a load run, ready to be sent, and the ways in which one is sent."""

from dataclasses import dataclass

import numpy as np

Tensors = dict[str, tuple[str, np.ndarray]]  # Triton's datatype and the values, by name; object arrays hold str or bytes
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
    challenger_N: np.ndarray | None = None  # what the challenger says instead; None: there is none, or it was not asked
    key: int | None = None  # place of its routing key among the run's; None: the server has no challenger
