"""Asks the served model about page views, each when its time has come: one request a page view, a few at a time."""

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol

import polars as pl

from contracts.clock import clock
from lifecycle.live.ledger import ANSWER
from lifecycle.live.months import instant
from serving.client import Prediction, RefusedRequest

LONGEST_SLEEP_S = 0.5
NO_JOURNAL = (
    'the server keeps no journal, by which events find their answers; start it with one: make serve ARGS="--journal journal"'
)


class Predictor(Protocol):
    """CtrClient, or what stands for it."""

    def predict(self, frame: Any, images: Any = None, *, check: bool = True, **noted: Any) -> Prediction: ...


@dataclass(frozen=True, kw_only=True)
class AskedDay:
    """What came of a day's page views."""

    answers: pl.DataFrame  # key, and the columns of ANSWER
    refused: list[str] = field(default_factory=list)  # page views that the server did not answer: why


@dataclass(frozen=True, kw_only=True)
class PageSender:
    """`images` are of creatives that the model does not know."""

    client: Predictor
    threads: ThreadPoolExecutor
    in_flight: int
    entity: str
    check: Callable[[str], None] | None = None  # of an answer's id; raises ValueError

    def ask(self, rows: pl.DataFrame, images: Mapping[str, bytes]) -> AskedDay:
        """Ask for the rows of page views, as they are sent. Raises what CtrClient raises if the server does not answer."""
        free, failed, futures = threading.Semaphore(self.in_flight), threading.Event(), list[Future[pl.DataFrame | str]]()

        def answered(future: Future[pl.DataFrame | str]) -> None:
            free.release()
            if not future.cancelled() and future.exception() is not None:
                failed.set()

        try:
            for page in pages_of(rows):
                wait_until(page["at_ms"][0])
                free.acquire()
                if failed.is_set():
                    break
                futures.append(self.threads.submit(self._ask, page, images))
                futures[-1].add_done_callback(answered)
            found = [future.result() for future in futures]
        finally:
            for future in futures:
                future.cancel()
        nothing = pl.DataFrame(schema={"key": pl.String, **ANSWER})
        answers = pl.concat([nothing, *(one for one in found if not isinstance(one, str))])
        return AskedDay(answers=answers, refused=[one for one in found if isinstance(one, str)])

    def _ask(self, page: pl.DataFrame, images: Mapping[str, bytes]) -> pl.DataFrame | str:
        """The answer, or why the server refuses to give one."""
        try:
            told = self.client.predict(
                page,
                images or None,
                check=False,
                keys=page["key"].to_list(),
                event_time=instant(page["at_ms"][0]),
                routing_key=page[self.entity][0],
            )
        except RefusedRequest as refusal:
            return str(refusal)
        if not told.prediction_id[0]:
            raise ValueError(NO_JOURNAL)
        if self.check is not None:
            self.check(told.prediction_id[0])
        return pl.DataFrame(
            {
                "key": page["key"],
                "prediction_id": pl.Series(told.prediction_id.tolist(), dtype=pl.String),
                "row": pl.Series(told.request_row, dtype=pl.UInt32),
                "release": pl.Series(told.model_version, dtype=pl.Int64),
                "probability": pl.Series(told.probability, dtype=pl.Float32),
            }
        )


@contextmanager
def sender(client: Predictor, in_flight: int, entity: str, check: Callable[[str], None] | None = None) -> Iterator[PageSender]:
    with ThreadPoolExecutor(in_flight, thread_name_prefix="live") as threads:
        yield PageSender(client=client, threads=threads, in_flight=in_flight, entity=entity, check=check)


def pages_of(rows: pl.DataFrame) -> Iterator[pl.DataFrame]:
    """Page views, whose rows lie side by side."""
    starts = rows.select(pl.arg_where(pl.col("page") != pl.col("page").shift())).to_series().to_list() if len(rows) else []
    for start, end in zip([0, *starts], [*starts, len(rows)], strict=True):
        if end > start:
            yield rows.slice(start, end - start)


def wait_until(at_ms: int) -> None:
    """Until the clock says so."""
    while (left_ns := at_ms * 1_000_000 - clock().now_ns()) > 0:
        time.sleep(min(LONGEST_SLEEP_S, left_ns / clock().rate / 1e9))
