"""Checks requests, joins their rows into one call of the graph, answers each request for itself.

Triton model `ctr` where the graphs are Triton models of their own, else `ctr_careful`: there `ctr` is the backend in
serving/native, which answers plain requests by itself and hands on what has to be looked at.
"""

import gc
import json
import sys
import traceback
from dataclasses import dataclass
from typing import Any

import numpy as np
import triton_python_backend_utils as pb_utils

from serving.triton.backlog import Backlog
from serving.triton.column_rules import NumericRules, StringRules
from serving.triton.counters import FIRST_ID, AnsweredRows, Counters
from serving.triton.creatives import CreativeLooks, Looks
from serving.triton.graph import Answer, OrtGraph, TritonGraph
from serving.triton.joined_rows import JoinedRows
from serving.triton.joined_text import TextJoiner
from serving.triton.journal.model import ModelJournal, unanswered
from serving.triton.package import listed_digest, open_version
from serving.triton.packed_request import PackedRequest, RequestReader, take_raw_strings
from serving.triton.refusal import INNER, INNER_CALL, Overloaded, Refused, Unwritten

PACKED = "ctr_packed.onnx"
FAILED = "the model could not answer this request; the server's log says why"
SWITCH_S = 0.0002  # a request waits no longer for the interpreter while the thread that counts has it (Python: 0.005)


@dataclass(frozen=True, kw_only=True)
class Answered:
    """What a request is answered."""

    p_click_N: np.ndarray  # float32
    prediction_id: str | None  # None if no journal is kept


Outcome = Answered | Refused | Overloaded | Unwritten


class TritonPythonModel:
    def initialize(self, args: dict[str, str]) -> None:
        folder, settings = open_version(args)
        self._version = int(args["model_version"])
        self._categorical, self._numeric = settings["categorical"], settings["numeric"]
        self._string_rules = StringRules(self._categorical, settings["limits"]["max_string_bytes"])
        self._numeric_rules = NumericRules(self._numeric)
        self._reader = RequestReader(
            categorical=[column["name"] for column in self._categorical],
            numeric=[column["name"] for column in self._numeric],
            digest=settings["declaration"],
            limits=settings["limits"],
        )
        no_image = None if settings["no_image"] is None else np.array([settings["no_image"]], dtype=np.float32)
        packed = folder / PACKED
        self._graph = (
            OrtGraph(packed, settings["ort_threads"])
            if packed.is_file()
            else TritonGraph(self._version, self._categorical, self._numeric, no_image)
        )
        self._joiner = TextJoiner(len(self._categorical), self._graph.separator) if self._categorical else None
        config = json.loads(args["model_config"])
        labels = {"model": config["name"], "version": str(self._version)}
        self._counters = Counters(settings["metrics_interval_s"], settings["fields"], **labels)
        sees_images, say = settings["no_image"] is not None, pb_utils.Logger.log_error
        graph = listed_digest(folder, PACKED)
        self._journal = ModelJournal(config["name"], self._version, settings, self._counters, say, sees_images, graph)
        self._looks = CreativeLooks(self._version, no_image, settings, self._counters, measures=self._journal.is_kept)
        self._backlog = Backlog(config["name"], args["model_version"], settings["max_queue_size"])
        self._versions_N1 = np.full((config["max_batch_size"], 1), self._version, dtype=np.int64)
        # Triton runs each warm-up sample of the config as one batch, before anything else; they are nobody's requests
        self._warmups_left = len(config["model_warmup"])
        take_raw_strings()
        sys.setswitchinterval(SWITCH_S)
        gc.freeze()  # what is here now stays: it need not be gone through again

    def execute(self, requests: list[Any]) -> list[Any]:
        if not self._warmups_left and self._backlog.too_long():
            outcomes: list[Outcome | str] = [self._backlog.refusal()] * len(requests)
        else:
            outcomes = self._outcomes(requests)
        if self._warmups_left:
            self._warmups_left -= 1
        else:
            self._count_requests(outcomes)
            self._note_unanswered(requests, outcomes)
        return [self._response(request, outcome) for request, outcome in zip(requests, outcomes, strict=True)]

    def finalize(self) -> None:
        self._journal.close()
        self._counters.close()

    def answer(self, requests: list[PackedRequest]) -> list[Outcome]:
        """The answer of each request, or why it has none. What is answered has been written to the journal."""
        if not requests:
            return []
        rows = JoinedRows(requests, self._joiner, self._reader)
        self._numeric_rules.check(rows)
        looks = self._looks.of(rows)
        emb_NE = None if looks is None else looks.emb_NE
        found = self._graph.run(rows, emb_NE)
        if self._string_rules.respell(rows, found):
            found = self._graph.run(rows, emb_NE)
        self._string_rules.require(rows)
        ids = [None] * len(requests) if self._warmups_left else self._journal.answers(rows, found, looks)
        if ids is not None and not self._warmups_left:
            self._count_rows(rows, found, looks)
        outcomes = []
        for number, outcome in enumerate(rows.split(found.p_click_N)):
            if not isinstance(outcome, Refused):
                outcome = Unwritten() if ids is None else Answered(p_click_N=outcome, prediction_id=ids[number])
            outcomes.append(outcome)
        return outcomes

    def _outcomes(self, requests: list[Any]) -> list[Outcome | str]:
        """What becomes of each request: its probabilities, why it is refused, or FAILED."""
        outcomes: list[Outcome | str] = [FAILED] * len(requests)
        packed: dict[int, PackedRequest] = {}
        for i, request in enumerate(requests):
            try:
                packed[i] = self._reader.read(request)
            except Refused as refusal:
                outcomes[i] = refusal
        try:
            for i, outcome in zip(packed, self.answer([*packed.values()]), strict=True):
                outcomes[i] = outcome
        except Exception:  # whatever it is: the clients get one sentence, the log gets the traceback
            pb_utils.Logger.log_error(traceback.format_exc())
        return outcomes

    def _count_rows(self, rows: JoinedRows, found: Answer, looks: Looks | None) -> None:
        answered, has_image_N = rows.answered(), None
        if looks is not None:
            has_image_N = np.zeros(rows.num_rows, dtype=bool)
            has_image_N[[place for _, _, place, _ in rows.images()]] = True
        creative_idx_N = found.creative_idx_N
        self._counters.answered(
            AnsweredRows(
                p_click_N=found.p_click_N[answered],
                special_NF=np.minimum(found.cat_idx_NF[answered], FIRST_ID).astype(np.uint8),
                is_stranger_N=None if creative_idx_N is None else creative_idx_N[answered] == 0,
                has_image_N=None if has_image_N is None else has_image_N[answered],
            )
        )

    def _count_requests(self, outcomes: list[Outcome | str]) -> None:
        answered = sum(isinstance(outcome, Answered) for outcome in outcomes)
        if answered:
            self._counters.count("adclick_requests_total", answered, outcome="answered")
        if answered == len(outcomes):
            return
        for outcome in outcomes:
            if isinstance(outcome, Refused):
                self._counters.refused(outcome.rule)
            elif isinstance(outcome, Overloaded):
                self._counters.count("adclick_requests_total", outcome="overloaded")
            elif isinstance(outcome, Unwritten):
                self._counters.count("adclick_requests_total", outcome="unwritten")
            elif isinstance(outcome, str):
                self._counters.count("adclick_requests_total", outcome="failed")

    def _note_unanswered(self, requests: list[Any], outcomes: list[Outcome | str]) -> None:
        if not self._journal.is_kept:
            return
        rules = [_rule(outcome) for outcome in outcomes]
        self._journal.refusals(unanswered(request, rule) for request, rule in zip(requests, rules, strict=True) if rule)

    def _response(self, request: Any, outcome: Outcome | str) -> Any:
        if isinstance(outcome, Answered):
            version = pb_utils.Tensor("model_version", self._versions_N1[: len(outcome.p_click_N)])
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


def _rule(outcome: Outcome | str) -> str | None:
    """Why a request has no answer, as the journal calls it; None if it has one."""
    if isinstance(outcome, Refused):
        return outcome.rule
    if isinstance(outcome, Overloaded):
        return "overloaded"
    return "failed" if isinstance(outcome, str) else None
