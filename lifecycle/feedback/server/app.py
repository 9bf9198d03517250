"""The endpoint: POST /feedback takes events in, POST /order does what `make feedback` is asked, GET /metrics tells Prometheus.

Two threads have the store: one takes events in, a transaction for each request, which is on the disk before the answer leaves;
the other looks for what the journal has answered and for what has matured.
"""

import asyncio
import hashlib
import hmac
import json
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import duckdb
from aiohttp import web
from pydantic import TypeAdapter, ValidationError

from contracts.clock import clock
from contracts.dataset.config_errors import describe
from contracts.terminal import sentence
from lifecycle.feedback.intake.hiding import hider
from lifecycle.feedback.intake.lines import read_lines
from lifecycle.feedback.intake.taking import TakenIn, hidden, take_in_once
from lifecycle.feedback.running.client import BATCH_HEADER, SECRET_HEADER
from lifecycle.feedback.running.surroundings import Surroundings
from lifecycle.feedback.running.work import FeedbackOrder, look, run_order
from lifecycle.feedback.server.metrics import FeedbackMetrics
from lifecycle.feedback.store import FeedbackStore
from lifecycle.feedback.written import state_of

MIB = 1 << 20
LONGEST_BATCH = 128
SHOWN_REJECTED = 20  # of a request's lines, in its answer
Result = TypeVar("Result")


class Endpoint:
    def __init__(self, store: FeedbackStore, around: Surroundings, secret: str) -> None:
        self._around, self._secret = around, secret
        self._store, self._beside = store, store.beside()  # of the thread that takes in, and of the one that looks
        self._hide = hider(around.journal)
        self._taking, self._looking = (ThreadPoolExecutor(1, thread_name_prefix=name) for name in ("taking", "looking"))
        self._metrics = FeedbackMetrics()

    def app(self) -> web.Application:
        app = web.Application(client_max_size=int(self._around.config.max_body_mib * MIB), middlewares=[_in_one_sentence])
        app.add_routes(
            [
                web.post("/feedback", self.take_events),
                web.post("/order", self.take_order),
                web.get("/metrics", self.metrics),
            ]
        )
        return app

    async def take_events(self, request: web.Request) -> web.Response:
        self._check_secret(request)
        batch_id = request.headers.get(BATCH_HEADER)
        if batch_id is not None and not 1 <= len(batch_id) <= LONGEST_BATCH:
            raise ValueError(f"{BATCH_HEADER} has {len(batch_id)} characters, expected 1 to {LONGEST_BATCH}")
        body = await request.read()
        return web.json_response(await _in(self._taking, lambda: self._take(body, batch_id)))

    async def take_order(self, request: web.Request) -> web.Response:
        """Files are read by this process: it is the same machine and user."""
        self._check_secret(request)
        try:
            order = TypeAdapter(FeedbackOrder).validate_python(json.loads(await request.read()))
        except ValidationError as error:
            raise ValueError(describe(error, "order", FeedbackOrder)) from None
        lines: list[str] = []
        await _in(self._looking, lambda: run_order(self._beside, self._around, order, lines.append))
        return web.json_response({"lines": lines})

    async def metrics(self, _: web.Request) -> web.Response:
        state = await _in(self._taking, lambda: state_of(self._store, self._around.config.maturity_ns, clock().now_ns()))
        return web.Response(body=self._metrics.text(state), headers={"Content-Type": self._metrics.content_type})

    async def look_again_and_again(self) -> None:
        """Faults are told and tried again."""
        while True:
            try:
                await _in(self._looking, lambda: look(self._beside, self._around, clock().now_ns()))
            except (ValueError, OSError, duckdb.Error) as error:
                self._metrics.faults.inc()
                print(f"feedback: {sentence(error)}; trying again", file=sys.stderr, flush=True)
            await asyncio.sleep(self._around.config.every_s)

    def close(self) -> None:
        for executor in (self._taking, self._looking):
            executor.shutdown()

    def _take(self, body: bytes, batch_id: str | None) -> dict[str, Any]:
        now_ns = clock().now_ns()
        batch = hidden(read_lines(body, now_ns), self._hide)
        taken = take_in_once(self._store, batch, batch_id, hashlib.sha256(body).hexdigest(), now_ns)
        return _answer(taken) | {"rejected_lines": batch.rejected.head(SHOWN_REJECTED).drop("value").to_dicts()}

    def _check_secret(self, request: web.Request) -> None:
        sent = request.headers.get(SECRET_HEADER, "")
        if not hmac.compare_digest(sent.encode("utf-8", "surrogateescape"), self._secret.encode()):
            text = f"header {SECRET_HEADER} is missing or wrong; it is the secret in {self._around.config.secret_file}"
            raise web.HTTPForbidden(text=text)


def _answer(taken: TakenIn) -> dict[str, Any]:
    counts = {name: getattr(taken, name) for name in ("received", "waiting", "rejected", "duplicate", "heartbeats")}
    return counts | {"is_repeated": taken.is_repeated}


async def _in(executor: ThreadPoolExecutor, work: Callable[[], Result]) -> Result:
    """What `work` returns. A client that goes away meanwhile does not stop it."""
    return await asyncio.shield(asyncio.get_running_loop().run_in_executor(executor, work))


@web.middleware
async def _in_one_sentence(request: web.Request, handler: Callable[[web.Request], Any]) -> web.StreamResponse:
    """Whatever is refused is refused in JSON, with one sentence."""
    try:
        found: web.StreamResponse = await handler(request)
        return found
    except web.HTTPRequestEntityTooLarge:
        return _refusal(413, "the request is larger than feedback.max_body_mib; send fewer events at once")
    except web.HTTPException as error:
        return _refusal(error.status, error.text or error.reason)
    except ValueError as error:
        return _refusal(400, sentence(error))
    except (OSError, duckdb.Error) as error:
        return _refusal(503, f"nothing was taken in: {sentence(error)}; send it again")


def _refusal(status: int, text: str) -> web.Response:
    return web.json_response({"error": text}, status=status)
