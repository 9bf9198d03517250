"""Samples made by hand."""

from pathlib import Path
from typing import Any

import numpy as np

from loadtests.requests.prepared_request import KINDS
from loadtests.verdicts.samples import OUTCOMES, SAMPLE, Window, write_summary

START_S = 1000.0


def samples(num: int, **columns: Any) -> np.ndarray:
    """`num` good gRPC answers of one row, due one a second, sent at once, answered after 10 ms; `columns` say otherwise.

    `due` is in seconds since START_S, `late_ms` and `latency_ms` are since a request was due, `kind` and `outcome` are names.
    """
    found = np.zeros(num, dtype=SAMPLE)
    found["intended_s"] = START_S + np.asarray(columns.get("due", np.arange(num)))
    found["sent_s"] = found["intended_s"] + np.asarray(columns.get("late_ms", 0.0)) / 1e3
    found["done_s"] = found["intended_s"] + np.asarray(columns.get("latency_ms", 10.0)) / 1e3
    found["rows"] = columns.get("rows", 1)
    found["kind"] = [KINDS.index(name) for name in np.broadcast_to(columns.get("kind", "grpc"), num)]
    found["outcome"] = [OUTCOMES.index(name) for name in np.broadcast_to(columns.get("outcome", "ok"), num)]
    return found


def window(seconds: float) -> Window:
    return Window(start_s=START_S, end_s=START_S + seconds)


def write_run(folder: Path, found: np.ndarray, seconds: float, **facts: Any) -> Path:
    """A finished run's folder."""
    folder.mkdir(parents=True, exist_ok=True)
    np.save(folder / "samples-0.npy", found)
    write_summary(folder, window(seconds), {"shape": "smoke", "completed": True, **facts})
    return folder
