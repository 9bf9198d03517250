"""What a peer remembers of an answer, and where: JSON lines, one a request, in a file of its process.

Runs in the peers' own environments.
"""

import json
import os
import time
from pathlib import Path

import numpy as np

FOLDER = "ADCLICK_PEER_JOURNAL"  # environment variable: where the files are


def line_of(request_id: str, text: str, numeric_NM: np.ndarray, probability_N: np.ndarray) -> dict[str, object]:
    """The rows as they came and the answer: what is written of ours, but for the ids that the graph saw."""
    return {
        "answered_ns": time.time_ns(),
        "request_id": request_id,
        "text": text,
        "numeric": numeric_NM.tolist(),
        "probability": probability_N.tolist(),
    }


class JsonLines:
    """Appends with one system call an answer, so that nothing is left in this process when it is killed."""

    def __init__(self) -> None:
        path = Path(os.environ[FOLDER]) / f"{os.getpid()}.jsonl"
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o640)

    def write(self, request_id: str, text: str, numeric_NM: np.ndarray, probability_N: np.ndarray) -> None:
        line = json.dumps(line_of(request_id, text, numeric_NM, probability_N), separators=(",", ":"))
        os.write(self._file, line.encode() + b"\n")
