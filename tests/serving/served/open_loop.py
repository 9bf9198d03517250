"""Requests that are sent when they are due, whether or not those before them are answered."""

import threading
import time
from dataclasses import dataclass, field
from itertools import pairwise

import tritonclient.grpc as triton

from serving.server.server import TritonServer
from tests.serving.doors import Tensors, grpc_inputs
from tests.serving.metrics import scrape, total
from tests.serving.served_world import wait_for

ANSWERED_WITHIN_S = 60


@dataclass
class OpenLoop:
    """What came of the requests. `pending` is what Triton said to be waiting, as often as there was time to ask."""

    sent: list[float] = field(default_factory=list)
    ended: list[tuple[float, str, str]] = field(default_factory=list)  # when, code, words of an error
    pending: list[float] = field(default_factory=list)

    def codes(self) -> list[str]:
        return [code for _, code, _ in self.ended]

    def most_sent_between_answers(self) -> int:
        """Most requests that were sent while no answer came."""
        answered = sorted(when for when, code, _ in self.ended if code == "OK")
        gap = max(after - before for before, after in pairwise(answered))
        return max(sum(start <= when <= start + gap for when in self.sent) for start in self.sent)


def send_open(server: TritonServer, tensors: Tensors, rate: float, seconds: float) -> OpenLoop:
    """Send at a fixed rate and wait for all answers. A request that gets none, or two, fails the test."""
    found, inputs, lock = OpenLoop(), grpc_inputs(tensors), threading.Lock()

    def note(result: triton.InferResult | None, error: Exception | None) -> None:
        code = "OK" if error is None else str(error.status()).removeprefix("StatusCode.")
        with lock:
            found.ended.append((time.monotonic(), code, "" if error is None else error.message()))

    with triton.InferenceServerClient(server.grpc_url) as client:
        begun = time.monotonic()
        while (due := begun + len(found.sent) / rate) < begun + seconds:
            time.sleep(max(0.0, due - time.monotonic()))
            found.sent.append(time.monotonic())
            client.async_infer("ctr", inputs, note)
            if time.monotonic() < due + 0.5 / rate:
                found.pending.append(total(scrape(server), "nv_inference_pending_request_count", model="ctr"))
        wait_for(lambda: len(found.ended) >= len(found.sent), ANSWERED_WITHIN_S, "every request is answered")
    assert len(found.ended) == len(found.sent)
    return found
