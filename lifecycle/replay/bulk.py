"""Many batches replayed: how many rows are equal, which differ, and which could not be replayed, and why."""

import os
import sys
import time
from collections import Counter, deque
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from lifecycle.replay.batches import GraphBatches
from lifecycle.replay.compare import Machine, RowVerdicts, compare
from lifecycle.replay.release import NoRelease, Released
from lifecycle.replay.rerun import Rerun
from lifecycle.replay.sample import Unread
from serving.triton.journal.layout import FALLBACK, SHADOW
from serving.triton.journal.writer import spelled

PROGRESS_S = 5.0
SHOWN = 10  # rows that differ


@dataclass(kw_only=True)
class Totals:
    """Of rows that were answered, and of those that an arm computed of another one's answers."""

    batches: int = 0
    rows: int = 0
    equal: int = 0  # to the last bit
    differing: int = 0
    faults: int = 0  # of those: what this machine must not give
    largest: float = 0.0  # difference of a probability
    not_replayed: Counter[str] = field(default_factory=Counter)  # rows, by why
    unread: list[str] = field(default_factory=list)  # what could not be read at all
    may_differ: Counter[str] = field(default_factory=Counter)  # rows whose bits need not be the same, by why
    partial: int = 0  # rows of batches of which others are not known
    fallbacks: int = 0  # of the rows: that the champion answered instead of the challenger
    shadows: int = 0  # of the rows: that nobody was sent
    handed_on: int = 0  # rows that were in a batch, and answered elsewhere
    shown: list[dict[str, Any]] = field(default_factory=list)  # the first that differ
    joined: bool = False  # were batches run together
    seconds: float = 0.0

    def add(self, batches: GraphBatches, compared: RowVerdicts) -> None:
        computed_N = compared.is_computed_N
        done_N = computed_N & (compared.why_not_N == None)  # noqa: E711  (of each object)
        differs_N = done_N & ~compared.is_equal_N
        self.batches += len(batches)
        self.rows += int(computed_N.sum())
        self.equal += int((compared.is_equal_N & computed_N).sum())
        self.differing += int(differs_N.sum())
        self.faults += int(compared.is_fault_N.sum())
        self.handed_on += int((~computed_N).sum())
        self.fallbacks += int((batches.status_N == FALLBACK).sum())
        self.shadows += int((batches.status_N == SHADOW).sum())
        self.partial += int((done_N & (compared.missing_N > 0)).sum())
        self.not_replayed += Counter(why for why in compared.why_not_N[computed_N] if why is not None)
        if compared.unlike is not None:
            self.may_differ[compared.unlike] += int(done_N.sum())
        if differs_N.any():
            self.largest = max(self.largest, float(np.nanmax(compared.difference_N[differs_N])))
        for row in np.flatnonzero(differs_N)[: max(SHOWN - len(self.shown), 0)].tolist():
            self.shown.append(
                {
                    "prediction_id": spelled(batches.ids_N[row].tobytes()),
                    "row": int(batches.row_N[row]),
                    "recorded": float(batches.p_click_N[row]),
                    "difference": float(compared.difference_N[row]),
                    "is_fault": bool(compared.is_fault_N[row]),
                    "in": batches.source,
                }
            )

    def as_dict(self) -> dict[str, Any]:
        return asdict(self) | {"not_replayed": dict(self.not_replayed), "may_differ": dict(self.may_differ)}


class Replays:
    """Replays batches, each with the release that computed it."""

    def __init__(self, store: Path, journal: Path, may_join: bool = True) -> None:
        self._store, self._journal, self._may_join = store, journal, may_join
        self._known: dict[int, Rerun | NoRelease] = {}
        self._released: dict[int, Released] = {}
        self.machine = Machine.here()

    def released(self, number: int) -> Released:
        """Raises NoRelease."""
        if number not in self._known:
            try:
                self._released[number] = Released(self._store, number)
                self._known[number] = Rerun(self._released[number], self._journal, self._may_join)
            except NoRelease as error:
                self._known[number] = error
        known = self._known[number]
        if isinstance(known, NoRelease):
            raise known
        return self._released[number]

    def compared(self, batches: GraphBatches) -> tuple[Any, RowVerdicts]:
        """What the graph says now, and how that stands to the record. Raises NoRelease."""
        released = self.released(batches.writing.release)
        rerun = self._known[batches.writing.release]
        assert isinstance(rerun, Rerun)
        again = rerun.run(batches)
        return again, compare(batches, again, released, self.machine)

    @property
    def joined(self) -> bool:
        return any(isinstance(known, Rerun) and any(known.joins.values()) for known in self._known.values())


def replay_all(found: Iterable[GraphBatches | Unread], replays: Replays) -> Totals:
    """Replay what is found, several pieces at once: the graph holds nothing up while it runs. Progress goes to stderr."""
    totals, started = Totals(), time.perf_counter()
    told, workers = started, os.cpu_count() or 1
    waiting: deque[tuple[GraphBatches, Future[tuple[Any, RowVerdicts]]]] = deque()

    def take() -> None:
        batches, future = waiting.popleft()
        try:
            totals.add(batches, future.result()[1])
        except NoRelease as error:
            computed = int(batches.is_computed_N.sum())
            totals.batches, totals.rows = totals.batches + len(batches), totals.rows + computed
            totals.not_replayed[str(error)] += computed

    with ThreadPoolExecutor(workers) as pool:
        for piece in found:
            if isinstance(piece, Unread):
                if piece.rows:
                    totals.rows, totals.not_replayed[piece.why] = (
                        totals.rows + piece.rows,
                        totals.not_replayed[piece.why] + piece.rows,
                    )
                else:
                    totals.unread.append(piece.why)
                continue
            with suppress(NoRelease):
                replays.released(piece.writing.release)  # opened by one thread
            waiting.append((piece, pool.submit(replays.compared, piece)))
            if len(waiting) > workers:
                take()
            if time.perf_counter() - told > PROGRESS_S:
                told = time.perf_counter()
                rate = totals.rows / (told - started)
                print(f"replay: {totals.rows:,} rows so far, {rate:,.0f} rows/s", file=sys.stderr, flush=True)
        while waiting:
            take()
    totals.joined, totals.seconds = replays.joined, time.perf_counter() - started
    return totals
