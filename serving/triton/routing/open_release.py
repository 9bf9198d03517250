"""A release that is open in this process: its rules, graph, counters and journal, with which it answers requests by itself."""

import time
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import triton_python_backend_utils as pb_utils

from contracts.serving.packed_text import codes_of
from serving.triton.column_rules import NumericRules, StringRules
from serving.triton.counters import FIRST_ID, AnsweredRows, Counters
from serving.triton.creatives import CreativeLooks, Looks
from serving.triton.graph import Answer, OrtGraph, TritonGraph
from serving.triton.joined_rows import JoinedRows
from serving.triton.joined_text import LENGTH, TextJoiner
from serving.triton.journal.layout import NO_ROUTE
from serving.triton.journal.model import ModelJournal
from serving.triton.journal.record import Routed
from serving.triton.package import listed_digest
from serving.triton.packed_request import PackedRequest, RequestReader
from serving.triton.refusal import Refused, Unwritten
from serving.triton.routing.outcome import Answered, Outcome
from serving.triton.routing.widening import Widening

PACKED = "ctr_packed.onnx"
WARM_UP_ROWS = (1, 64)


@dataclass(frozen=True, kw_only=True)
class Computed:
    """What a release found out of some requests; nothing of it has been written or counted."""

    rows: JoinedRows
    found: Answer
    looks: Looks | None
    cost_s: float  # computing time

    def broken(self) -> list[bool]:
        """Of each request: is an answer to it no probability. Not looked at where it is refused."""
        fine_N = (self.found.p_click_N >= 0) & (self.found.p_click_N <= 1)
        if fine_N.all():
            return [False] * len(self.rows.requests)
        return [not isinstance(fine, Refused) and not fine.all() for fine in self.rows.split(fine_N)]


class OpenRelease:
    """`requests` of it are made for itself, or for another release and widened."""

    def __init__(
        self, folder: Path, name: str, settings: dict[str, Any], counters: Counters, widening: Widening | None = None
    ) -> None:
        """`folder`: of the version, its package checked; `name`: of the model."""
        self.version, self.settings, self.counters = int(folder.name), settings, counters
        self._categorical, self._numeric = settings["categorical"], settings["numeric"]
        self._widening, self._lock = widening, Lock()
        self._string_rules = StringRules(self._categorical, settings["limits"]["max_string_bytes"])
        self._numeric_rules = NumericRules(self._numeric)
        self.reader = RequestReader(
            categorical=[column["name"] for column in self._categorical],
            numeric=[column["name"] for column in self._numeric],
            digest=settings["declaration"],
            limits=settings["limits"],
        )
        no_image = None if settings["no_image"] is None else np.array([settings["no_image"]], dtype=np.float32)
        packed = folder / PACKED
        self.is_in_process = packed.is_file()
        self._graph = (
            OrtGraph(packed, settings["ort_threads"])
            if self.is_in_process
            else TritonGraph(self.version, self._categorical, self._numeric, no_image)
        )
        self._joiner = (
            TextJoiner(len(self._categorical), self._graph.separator, codes_of(self._categorical)) if self._categorical else None
        )
        self._timer = time.thread_time if self.is_in_process else time.perf_counter
        sees_images, say = settings["no_image"] is not None, pb_utils.Logger.log_error
        graph = listed_digest(folder, PACKED)
        self.journal = ModelJournal(name, self.version, settings, counters, say, sees_images, graph)
        self._looks = CreativeLooks(self.version, no_image, settings, counters, measures=self.journal.is_kept)

    def compute(self, requests: list[PackedRequest]) -> Computed:
        """For any thread. What it reads of the requests has to stay what it is until the answer was written."""
        began = self._timer()
        taken = requests if self._widening is None else [self._widening.of(request) for request in requests]
        rows = JoinedRows(taken, self._joiner, self.reader)
        self._numeric_rules.check(rows)
        looks = self._looks.of(rows)
        emb_NE = None if looks is None else looks.emb_NE
        found = self._graph.run(rows, emb_NE)
        if self._string_rules.respell(rows, found):
            found = self._graph.run(rows, emb_NE)
        self._string_rules.require(rows)
        return Computed(rows=rows, found=found, looks=looks, cost_s=self._timer() - began)

    def settle(
        self, computed: Computed, route: int = NO_ROUTE, routed: list[Routed] | None = None, counts: bool = True
    ) -> list[Outcome]:
        """The answer of each request, written to the journal and counted, or why it has none. `counts`: not if it is a shadow."""
        with self._lock:
            ids = self.journal.answers(computed.rows, computed.found, computed.looks, route, routed)
        if ids is not None and counts:
            self._count_rows(computed)
        outcomes: list[Outcome] = []
        for number, outcome in enumerate(computed.rows.split(computed.found.p_click_N)):
            if not isinstance(outcome, Refused):
                outcome = (
                    Unwritten() if ids is None
                    else Answered(p_click_N=outcome, prediction_id=ids[number], release=self.version)
                )  # fmt: skip
            outcomes.append(outcome)
        answered = sum(isinstance(outcome, Answered) for outcome in outcomes)
        if counts and answered:
            self.counters.count("adclick_requests_total", answered, outcome="answered")
        return outcomes

    def warm_up(self) -> None:
        """Compute rows in which all is missing, so that the first request waits for no buffers. Raises what comes of it."""
        for num_rows in WARM_UP_ROWS if self.is_in_process else (1,):
            raw = np.frombuffer(LENGTH.pack(0) * (num_rows * len(self._categorical)), dtype=np.uint8)
            numeric_NM = np.full((num_rows, len(self._numeric)), np.nan, dtype=np.float32)
            blank = PackedRequest(num_rows=num_rows, raw=raw if self._categorical else None, numeric_NM=numeric_NM, images=None)
            self._graph.run(JoinedRows([blank], self._joiner, self.reader), None)

    def close(self) -> None:
        """Its counters go on: what they counted is there until the process ends."""
        self.journal.close()

    def _count_rows(self, computed: Computed) -> None:
        rows, found = computed.rows, computed.found
        answered, has_image_N = rows.answered(), None
        if computed.looks is not None:
            has_image_N = np.zeros(rows.num_rows, dtype=bool)
            has_image_N[[place for _, _, place, _ in rows.images()]] = True
        creative_idx_N = found.creative_idx_N
        self.counters.answered(
            AnsweredRows(
                p_click_N=found.p_click_N[answered],
                special_NF=np.minimum(found.cat_idx_NF[answered], FIRST_ID).astype(np.uint8),
                is_stranger_N=None if creative_idx_N is None else creative_idx_N[answered] == 0,
                has_image_N=None if has_image_N is None else has_image_N[answered],
            )
        )
