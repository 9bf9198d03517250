"""The client of the served model: tables in, click probabilities out, over gRPC or HTTP, for threads or for asyncio.

`with CtrClient("127.0.0.1:8001") as client: p_click = client.predict(frame).probability`
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from types import TracebackType
from typing import Any, TypeVar
from uuid import uuid4

import numpy as np
from tenacity import AsyncRetrying, Retrying

from serving.client.async_protocols import AsyncGrpcDoor, AsyncHttpDoor
from serving.client.batch import Images, Noted, RequestBatch, Tensors, batch_of
from serving.client.errors import (
    DeadlineExceeded,
    RefusedRequest,
    RefusedRow,
    StaleModel,
)
from serving.client.protocols import GrpcDoor, HttpDoor, Prediction
from serving.client.retries import Deadline, retrying
from serving.client.rows import column_names
from serving.client.served_model import ServedModel, served_model
from serving.client.settings import ClientSettings

Answer = TypeVar("Answer")
DOORS: dict[str, type[GrpcDoor | HttpDoor]] = {"grpc": GrpcDoor, "http": HttpDoor}
ASYNC_DOORS: dict[str, type[AsyncGrpcDoor | AsyncHttpDoor]] = {"grpc": AsyncGrpcDoor, "http": AsyncHttpDoor}


class CtrClient(ClientSettings):
    """Predicts from threads, any number of which may share one client. Not to be taken along into a forked process.

    The columns that the model takes are read from the server at the first `predict`, and again when the model was
    replaced by one that does not take what the first did.
    """

    def __post_init__(self) -> None:
        super().__post_init__()
        self._served: ServedModel | None = None
        self._door = DOORS[self.protocol](self._address)
        self._threads = ThreadPoolExecutor(self.in_flight, thread_name_prefix="ctr-client")  # starts them when needed

    def __enter__(self) -> "CtrClient":
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections. The client cannot be used any more."""
        self._threads.shutdown(cancel_futures=True)
        self._door.close()

    def predict(
        self, frame: Any, images: Images | None = None, *, check: bool = True, deadline_s: float | None = None, **noted: Any
    ) -> Prediction:
        """Click probabilities of a Polars or pandas DataFrame or an Arrow table, row by row; extra columns are ignored.

        `images`: PNG or JPEG bytes by creative id, for creatives that the model has not seen (a mapping, or a Polars
        frame with creative_id and image). `check`: hold the rows against the declaration first, as training does. That
        takes some 25 ms a call, 0.1 s for 200,000 rows; without it the server still refuses what it must not answer. `noted`:
        `keys` (a str a row) and `event_time` (a datetime with a zone) go to the server's journal with the rows; `routing_key`
        (a str) says whose rows these are: an experiment answers all that one key asks by the same arm; `release` (an int) is
        the release that shall answer instead, if it is open. The answer's `model_version` says which one did.

        Raises BrokenRows, ValueError or TypeError before anything is sent; RefusedRequest, ServerUnavailable, DeadlineExceeded or
        ServerFailed after. There is an answer for all rows or for none.
        """
        return joined(self._answers(self._ask, frame, images, check, deadline_s, Noted(**noted)))

    def predict_apart(
        self, frame: Any, images: Images | None = None, *, check: bool = True, deadline_s: float | None = None, **noted: Any
    ) -> tuple[Prediction, list[RefusedRow]]:
        """As `predict`, but a row that the server refuses does not keep the others from their answer.

        Its probability is NaN and its model version 0, and the list says why. Each such row costs a request.
        """
        found = self._answers(self._ask_apart, frame, images, check, deadline_s, Noted(**noted))
        return joined([answer for answer, _ in found]), [refused for _, rows in found for refused in rows]

    def served(self, deadline: Deadline | None = None) -> ServedModel:
        """What the server publishes of its model; asked for once."""
        known = self._served  # another thread may forget it meanwhile
        if known is None:
            until = deadline or self._deadline(None)

            def config() -> dict[str, Any]:
                return self._door.config(self._attempt_s(until))

            known = self._served = served_model(retrying(Retrying, self.attempts, until)(config))
        return known

    def _answers(
        self, ask: Callable[..., Answer], frame: Any, images: Images | None, check: bool, deadline_s: float | None, noted: Noted
    ) -> list[Answer]:
        """What `ask` gives of each piece of the frame, in order."""
        if not column_names(frame) or not len(frame):
            return []
        deadline = self._deadline(deadline_s)
        try:
            return self._send(ask, batch_of(self.served(deadline), frame, images, check, noted), deadline)
        except StaleModel:
            self._served = None
            return self._send(ask, batch_of(self.served(deadline), frame, images, check, noted), deadline)

    def _send(self, ask: Callable[..., Answer], batch: RequestBatch, deadline: Deadline) -> list[Answer]:
        if len(batch.pieces) == 1:
            return [ask(batch, *batch.pieces[0], deadline)]
        futures = [self._threads.submit(ask, batch, start, stop, deadline) for start, stop in batch.pieces]
        try:
            return [future.result(deadline.left()) for future in futures]
        except TimeoutError as error:  # of waiting for a thread, if it is not the client's own error
            raise error if isinstance(error, DeadlineExceeded) else deadline.exceeded() from None
        finally:
            for future in futures:
                future.cancel()

    def _ask(self, batch: RequestBatch, start: int, stop: int, deadline: Deadline) -> Prediction:
        try:
            return self._infer(batch.tensors(start, stop), batch, deadline)
        except RefusedRequest as refusal:
            raise refusal.moved(start) from None

    def _ask_apart(self, batch: RequestBatch, start: int, stop: int, deadline: Deadline) -> tuple[Prediction, list[RefusedRow]]:
        """The answer for the piece's rows but those that are refused, one after the other."""
        tensors, kept = batch.tensors(start, stop), np.arange(stop - start)
        refused: list[RefusedRow] = []
        answer = unanswered(stop - start)
        while len(kept):
            try:
                sent = {name: values[kept] for name, values in tensors.items()} if refused else tensors
                found = self._infer(sent, batch, deadline)
                for one, all_rows in zip(vars(found).values(), vars(answer).values(), strict=True):
                    all_rows[kept] = one
                break
            except RefusedRequest as refusal:
                broken = refusal.broken_row(len(kept))
                if broken is None:
                    raise
                place = int(kept[broken.row])
                refused.append(replace(broken, row=start + place, sentence=str(refusal.moved(start + place - broken.row))))
                kept = np.delete(kept, broken.row)
        return answer, sorted(refused, key=lambda row: row.row)

    def _infer(self, tensors: Tensors, batch: RequestBatch, deadline: Deadline) -> Prediction:
        request_id = str(uuid4())  # a request that is repeated keeps it

        def infer() -> Prediction:
            return self._door.infer(tensors, batch.digest, self._attempt_s(deadline), request_id, batch.said)

        return retrying(Retrying, self.attempts, deadline)(infer)


class AsyncCtrClient(ClientSettings):
    """Predicts from the tasks of one event loop; otherwise as CtrClient."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self._served: ServedModel | None = None
        self._door: AsyncGrpcDoor | AsyncHttpDoor | None = None  # made in the loop that uses it
        self._free = asyncio.Semaphore(self.in_flight)

    async def __aenter__(self) -> "AsyncCtrClient":
        return self

    async def __aexit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections."""
        if self._door is not None:
            await self._door.close()
            self._door = None

    async def predict(
        self, frame: Any, images: Images | None = None, *, check: bool = True, deadline_s: float | None = None, **noted: Any
    ) -> Prediction:
        """As CtrClient.predict. Rows are checked and packed in a thread, so that the loop goes on."""
        if not column_names(frame) or not len(frame):
            return joined([])
        deadline = self._deadline(deadline_s)
        try:
            return await self._send(await self._batch(frame, images, check, deadline, Noted(**noted)), deadline)
        except StaleModel:
            self._served = None
            return await self._send(await self._batch(frame, images, check, deadline, Noted(**noted)), deadline)

    async def served(self, deadline: Deadline | None = None) -> ServedModel:
        """What the server publishes of its model; asked for once."""
        known = self._served  # another task may forget it meanwhile
        if known is None:
            until = deadline or self._deadline(None)

            async def config() -> dict[str, Any]:
                return await self._opened().config(self._attempt_s(until))

            known = self._served = served_model(await retrying(AsyncRetrying, self.attempts, until)(config))
        return known

    def _opened(self) -> AsyncGrpcDoor | AsyncHttpDoor:
        if self._door is None:
            self._door = ASYNC_DOORS[self.protocol](self._address)
        return self._door

    async def _batch(self, frame: Any, images: Images | None, check: bool, deadline: Deadline, noted: Noted) -> RequestBatch:
        return await asyncio.to_thread(batch_of, await self.served(deadline), frame, images, check, noted)

    async def _send(self, batch: RequestBatch, deadline: Deadline) -> Prediction:
        tasks = [asyncio.create_task(self._ask(batch, start, stop, deadline)) for start, stop in batch.pieces]
        try:
            async with asyncio.timeout(deadline.left()):
                return joined(await asyncio.gather(*tasks))
        except TimeoutError as error:  # of waiting for a free place, if it is not the client's own error
            raise error if isinstance(error, DeadlineExceeded) else deadline.exceeded() from None
        finally:
            for task in tasks:
                task.cancel()

    async def _ask(self, batch: RequestBatch, start: int, stop: int, deadline: Deadline) -> Prediction:
        async with self._free:
            tensors, request_id = batch.tensors(start, stop), str(uuid4())

            async def infer() -> Prediction:
                left_s = self._attempt_s(deadline)
                return await self._opened().infer(tensors, batch.digest, left_s, request_id, batch.said)

            try:
                return await retrying(AsyncRetrying, self.attempts, deadline)(infer)
            except RefusedRequest as refusal:
                raise refusal.moved(start) from None


def unanswered(num_rows: int) -> Prediction:
    """NaN of no model."""
    return Prediction(
        probability=np.full(num_rows, np.nan, dtype=np.float32),
        model_version=np.zeros(num_rows, dtype=np.int64),
        prediction_id=np.full(num_rows, "", dtype=object),
        request_row=np.zeros(num_rows, dtype=np.int32),
    )


def joined(predictions: list[Prediction]) -> Prediction:
    """The pieces' predictions one after the other."""
    parts = [vars(unanswered(0)), *map(vars, predictions)]
    return Prediction(**{name: np.concatenate([part[name] for part in parts]) for name in parts[0]})
