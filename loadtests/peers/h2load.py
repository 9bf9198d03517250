"""Load over gRPC by h2load: prepared frames over HTTP/2, one call at a time on each connection.

h2load sends one body a run, so a measurement is several short runs with different bodies. It does not look at gRPC's own
status, which comes after the answer with HTTP status 200: a call that failed brings no message, so the bytes that came
tell how many did.
"""

import re
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from loadtests.peers.generator import GeneratorResult, program
from loadtests.peers.wire_formats import GRPC_FRAME, Body, framed

TRAFFIC = re.compile(r"^traffic: .*?(\d+)\) total, .*?(\d+)\) headers .*?, .*?\((\d+)\) data$", re.M)
REQUESTS = re.compile(r"^requests: .* (\d+) succeeded, (\d+) failed, (\d+) errored, (\d+) timeout$", re.M)
MAX_PIECES = 4
TRIED = 20  # calls of each client, to see how many the server takes a second
GRACE_S = 30.0  # beyond twice the time that the calls should take


@dataclass(frozen=True, kw_only=True)
class Piece:
    """One run of h2load."""

    latencies_ms: np.ndarray  # of the calls that got HTTP status 200
    seconds: float
    errors: int


def run_h2load(
    url: str, bodies: Sequence[Body], answer_bytes: int, folder: Path, clients: int, seconds: float
) -> GeneratorResult:
    """Keep `clients` connections busy with calls to `url` for about `seconds`; a good answer has `answer_bytes`.

    Each run is a number of calls, not a time: h2load cuts off what is under way when its time is over, and Triton 2.51 now
    and then dies of calls that are cut off (docs/operations.md).
    """
    pieces = min(MAX_PIECES, len(bodies), max(1, int(seconds)))
    chosen = [bodies[i * len(bodies) // pieces] for i in range(pieces)]
    tried = _run(url, chosen[0], answer_bytes, folder, clients, TRIED * clients, GRACE_S)
    each_s = seconds / pieces
    calls = max(clients, round(TRIED * clients / max(tried.seconds, 1e-3) * each_s))
    return joined([_run(url, body, answer_bytes, folder, clients, calls, 2 * each_s + GRACE_S) for body in chosen])


def joined(pieces: Sequence[Piece]) -> GeneratorResult:
    """All pieces as one load; the percentiles are of all calls together."""
    latencies_ms = np.concatenate([piece.latencies_ms for piece in pieces])
    errors = sum(piece.errors for piece in pieces)
    if not len(latencies_ms):
        raise ValueError("h2load got no answer at all; is the server up and does it speak gRPC?")
    p50_ms, p99_ms = np.quantile(latencies_ms, (0.5, 0.99))
    return GeneratorResult(
        requests=max(0, len(latencies_ms) - errors),
        errors=errors,
        seconds=sum(piece.seconds for piece in pieces),
        p50_ms=float(p50_ms),
        p99_ms=float(p99_ms),
    )


def _run(url: str, body: Body, answer_bytes: int, folder: Path, clients: int, calls: int, timeout_s: float) -> Piece:
    frame, log = folder / "frame.bin", folder / "h2load.tsv"
    frame.write_bytes(framed(body.content))
    log.unlink(missing_ok=True)
    command = [program("h2load", "nghttp2-client"), "-t1", f"-c{clients}", "-m1", f"-n{calls}", f"--log-file={log}"]
    headers = ["-H", "content-type: application/grpc", "-H", "te: trailers"]
    ran = subprocess.run([*command, *headers, "-d", str(frame), url], capture_output=True, text=True, timeout=timeout_s)
    if ran.returncode:
        raise ValueError(f"h2load ended with {ran.returncode}: {(ran.stderr or ran.stdout).strip()[-300:]}")
    return parse(ran.stdout, log.read_text(), answer_bytes)


def parse(output: str, log: str, answer_bytes: int) -> Piece:
    """What one run found, out of its output and its log: start in us, status, us until the end of the answer; tabs between."""
    traffic, requests = TRAFFIC.search(output), REQUESTS.search(output)
    if traffic is None or requests is None:
        raise ValueError(f"h2load printed no results; it said: {output.strip()[-300:]}")
    rows = np.array([line.split("\t")[:3] for line in log.splitlines()], dtype=np.int64).reshape(-1, 3)
    answered = rows[rows[:, 1] == 200]
    messages = int(traffic[3]) // (answer_bytes + GRPC_FRAME)
    refused = max(0, len(answered) - messages)
    lost = len(rows) - len(answered)
    span_us = int((rows[:, 0] + rows[:, 2]).max() - rows[:, 0].min()) if len(rows) else 0
    return Piece(latencies_ms=answered[:, 2] / 1e3, seconds=span_us / 1e6, errors=refused + lost)
