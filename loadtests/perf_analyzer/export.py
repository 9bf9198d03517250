"""What perf_analyzer's export says: when each request was sent and answered, and whether the answer was right.

**Latency counts from when a request was due, not from when it was sent.** perf_analyzer's own latencies begin at the send,
so a generator that is held up (by itself or by a full machine) would leave out the wait. It is given the gaps between
requests in a file, and sends them in that order: request k is due `offsets[k]` after the schedule's start. The start is
not in the export. But no request goes out before it is due, so the most punctual one bounds it from above, and
`start = min(sent - offset)` is that bound: lateness is measured against it, and latency is done - (start + offset).
The gap of the most punctual request itself (some 0.05 ms) is all that this can leave out.
"""

import json
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from contracts.serving.request import CATEGORICAL, NUMERIC, PROBABILITY
from loadtests.perf_analyzer.input import Key
from loadtests.requests.prepared_request import KINDS
from loadtests.verdicts.samples import OUTCOMES, SAMPLE

NS = 1e-9


def read_export(
    path: Path,
    *,
    kind: str,
    rows: int,
    answers: Mapping[Key, np.ndarray],
    tolerance: float,
    offsets_ns: np.ndarray | None = None,
) -> np.ndarray:
    """The requests of an export as SAMPLE, in order of `intended_s`, which is `sent_s` where there is no schedule.

    `answers`: the probabilities [rows] of each request; one that differs by more than `tolerance` is `wrong`, and so is
    one to a request that nobody meant to send. Raises ValueError where the export is empty.
    """
    text = path.read_bytes().decode("utf-8", "surrogateescape") if path.is_file() else ""  # packed lengths are no UTF-8
    if not text:
        raise ValueError("perf_analyzer wrote no results; does a request hold a number that is not finite?")
    requests = [request for part in json.loads(text)["experiments"] for request in part["requests"]]
    if not requests:
        raise ValueError("perf_analyzer exported no request; was the time too short for one answer?")
    requests.sort(key=lambda request: request["timestamp"])
    if offsets_ns is not None:
        requests = requests[: len(offsets_ns)]
    sent_ns = np.array([request["timestamp"] for request in requests], dtype=np.int64)
    intended_ns = sent_ns if offsets_ns is None else due(sent_ns, offsets_ns)
    to_monotonic_ns = time.monotonic_ns() - time.time_ns()
    samples = np.zeros(len(requests), dtype=SAMPLE)
    samples["sent_s"] = (sent_ns + to_monotonic_ns) * NS
    samples["intended_s"] = (intended_ns + to_monotonic_ns) * NS
    samples["rows"], samples["kind"] = rows, KINDS.index(kind)
    for sample, request in zip(samples, requests, strict=True):
        done = request["response_timestamps"]
        sample["done_s"] = (done[-1] + to_monotonic_ns) * NS if done else np.nan
        sample["outcome"] = OUTCOMES.index(outcome(request, rows, answers, tolerance))
    return samples


def due(sent_ns: np.ndarray, offsets_ns: np.ndarray) -> np.ndarray:
    """When each of the requests was due, int64; both in order of time."""
    offsets_ns = offsets_ns[: len(sent_ns)]
    return np.min(sent_ns - offsets_ns) + offsets_ns


def outcome(request: dict, rows: int, answers: Mapping[Key, np.ndarray], tolerance: float) -> str:
    if not request["response_timestamps"]:
        return "unknown"
    inputs = request["request_inputs"]
    numbers = np.float32(np.atleast_1d(inputs.get(NUMERIC, []))).tolist()
    expected = answers.get((str(inputs.get(CATEGORICAL, "")), tuple(numbers)))
    found = np.atleast_1d(request["response_outputs"][-1].get(PROBABILITY, []))
    if expected is None or len(found) != rows:
        return "wrong"
    return "ok" if np.max(np.abs(found - expected)) <= tolerance else "wrong"
