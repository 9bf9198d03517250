"""Checks requests, joins their rows into one call of the graph, answers each request for itself.

Triton model `ctr` where the graphs are Triton models of their own, or serving.repository.native is false; then it also chooses,
by the route, which release answers. Else `ctr_careful`: there `ctr` is the backend in serving/native, which routes, answers plain
requests by itself and hands on what has to be looked at.
"""

import gc
import json
import os
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import triton_python_backend_utils as pb_utils

from serving.triton.backlog import Backlog
from serving.triton.counters import Counters
from serving.triton.environment import ROUTE
from serving.triton.journal.model import unanswered
from serving.triton.package import open_version
from serving.triton.packed_request import PackedRequest, take_raw_strings
from serving.triton.refusal import INNER, INNER_CALL, Overloaded, Refused, Unwritten
from serving.triton.routing.careful import CarefulAnswerer
from serving.triton.routing.open_release import OpenRelease
from serving.triton.routing.outcome import FAILED, Answered, Outcome, rule
from serving.triton.routing.routed import open_routed

PUBLIC = "ctr"  # the model that clients ask, and that routes
SWITCH_S = 0.0002  # a request waits no longer for the interpreter while the thread that counts has it (Python: 0.005)


class Answerer(Protocol):
    """By whom requests are answered."""

    def answer(self, requests: list[PackedRequest]) -> list[Outcome]: ...
    def is_counted(self, request: Any) -> bool: ...
    def close(self) -> None: ...


class TritonPythonModel:
    def initialize(self, args: dict[str, str]) -> None:
        folder, settings = open_version(args)
        config = json.loads(args["model_config"])
        name, version = config["name"], args["model_version"]
        self._counters = Counters(settings["metrics_interval_s"], settings["fields"], model=name, version=version)
        self._own = OpenRelease(folder, name, settings, self._counters)
        self._backlog = Backlog(name, version, settings["max_queue_size"])
        self._most_rows, self._versions_N1 = config["max_batch_size"], dict[int, np.ndarray]()
        # Triton runs each warm-up sample of the config as one batch, before anything else; they are nobody's requests
        self._warmups_left = len(config["model_warmup"])
        route = os.environ.get(ROUTE)
        self._answerer: Answerer = (
            CarefulAnswerer(self._own, is_told=name != PUBLIC)
            if name != PUBLIC or route is None
            else open_routed(self._own, name, folder, Path(route))
        )
        take_raw_strings()
        sys.setswitchinterval(SWITCH_S)
        gc.freeze()  # what is here now stays: it need not be gone through again

    def execute(self, requests: list[Any]) -> list[Any]:
        if self._warmups_left:
            self._warmups_left -= 1
            outcomes = self._outcomes(requests, self._warmed_up)
            return [self._response(request, outcome) for request, outcome in zip(requests, outcomes, strict=True)]
        if self._backlog.too_long():
            outcomes = [self._backlog.refusal()] * len(requests)
        else:
            outcomes = self._outcomes(requests, self._answerer.answer)
        told = [pair for pair in zip(requests, outcomes, strict=True) if self._answerer.is_counted(pair[0])]
        self._count_requests([outcome for _, outcome in told])
        self._note_unanswered(told)
        return [self._response(request, outcome) for request, outcome in zip(requests, outcomes, strict=True)]

    def finalize(self) -> None:
        self._answerer.close()
        self._own.close()
        self._counters.close()

    def _warmed_up(self, requests: list[PackedRequest]) -> list[Outcome]:
        computed = self._own.compute(requests)
        return [
            found if isinstance(found, Refused) else Answered(p_click_N=found, prediction_id=None, release=self._own.version)
            for found in computed.rows.split(computed.found.p_click_N)
        ]

    def _outcomes(self, requests: list[Any], answer: Callable[[list[PackedRequest]], list[Outcome]]) -> list[Outcome]:
        """What becomes of each request: its probabilities, why it is refused, or FAILED."""
        outcomes: list[Outcome] = [FAILED] * len(requests)
        packed: dict[int, PackedRequest] = {}
        for i, request in enumerate(requests):
            try:
                packed[i] = self._own.reader.read(request)
            except Refused as refusal:
                outcomes[i] = refusal
        try:
            for i, outcome in zip(packed, answer([*packed.values()]), strict=True):
                outcomes[i] = outcome
        except Exception:  # whatever it is: the clients get one sentence, the log gets the traceback
            pb_utils.Logger.log_error(traceback.format_exc())
        return outcomes

    def _count_requests(self, outcomes: list[Outcome]) -> None:
        """Those without an answer; the release that answered one has counted it."""
        for outcome in outcomes:
            if isinstance(outcome, Refused):
                self._counters.refused(outcome.rule)
            elif isinstance(outcome, Overloaded):
                self._counters.count("adclick_requests_total", outcome="overloaded")
            elif isinstance(outcome, Unwritten):
                self._counters.count("adclick_requests_total", outcome="unwritten")
            elif isinstance(outcome, str):
                self._counters.count("adclick_requests_total", outcome="failed")

    def _note_unanswered(self, told: list[tuple[Any, Outcome]]) -> None:
        if self._own.journal.is_kept:
            rules = [(request, rule(outcome)) for request, outcome in told]
            self._own.journal.refusals(unanswered(request, broken) for request, broken in rules if broken)

    def _versions(self, release: int) -> np.ndarray:
        """The number of a release for as many rows as a request may have, int64 [rows, 1]."""
        if release not in self._versions_N1:
            self._versions_N1[release] = np.full((self._most_rows, 1), release, dtype=np.int64)
        return self._versions_N1[release]

    def _response(self, request: Any, outcome: Outcome) -> Any:
        if isinstance(outcome, Answered):
            version = pb_utils.Tensor("model_version", self._versions(outcome.release)[: len(outcome.p_click_N)])
            tensors = [pb_utils.Tensor("probability", outcome.p_click_N[:, None]), version]
            if outcome.prediction_id is not None:
                tensors.append(pb_utils.Tensor("prediction_id", np.array([[outcome.prediction_id]], dtype=object)))
            return pb_utils.InferenceResponse(tensors)
        if isinstance(outcome, Overloaded | Unwritten):
            return pb_utils.InferenceResponse(error=pb_utils.TritonError(str(outcome), pb_utils.TritonError.UNAVAILABLE))
        if not isinstance(outcome, Refused):
            return pb_utils.InferenceResponse(error=pb_utils.TritonError(outcome, pb_utils.TritonError.INTERNAL))
        sentence = f"{INNER}{outcome}" if INNER_CALL in request.parameters() else str(outcome)
        return pb_utils.InferenceResponse(error=pb_utils.TritonError(sentence, pb_utils.TritonError.INVALID_ARG))
