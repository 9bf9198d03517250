"""The users of a load run, for Locust: those that wait for their answer before they ask again, one class a way to ask, and
one that sends what is due at a rate.

What a process knows is in `SendingProcess`, which the locustfile sets before users start.
"""

import random
import time
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import gevent
from gevent.pool import Pool as Greenlets
from locust import User, task
from locust.env import Environment
from locust.exception import StopUser

from loadtests.requests.keys import read_keys
from loadtests.requests.pool import read_pool
from loadtests.requests.prepared_request import PreparedRequest
from loadtests.users.arrivals import due_s
from loadtests.users.asking import ASKERS, GrpcAsker, HttpAsker
from loadtests.users.plan import RunPlan, read_plan
from loadtests.users.sending import AS_IT_SHOULD, Chooser, RequestSender
from loadtests.verdicts.answers import Judge
from loadtests.verdicts.samples import Recorder

REST_S = 0.1  # of a user whose request failed or found the queue full, so that it does not ask again at once
NO_ROOM = "max_in_flight requests were waiting for their answer"
TOO_LATE = "it was late by more than timeout_s; one load process cannot send that much"


class WentWrong(Exception):
    """How Locust's own statistics are told of a request that is not as it should be."""


@dataclass(kw_only=True)
class SendingProcess:
    """What one process of a run knows."""

    plan: RunPlan
    index: int  # of the process
    recorder: Recorder
    chooser: Chooser

    @classmethod
    def of(cls, run_dir: Path, index: int) -> "SendingProcess":
        plan = read_plan(run_dir)
        rng = random.Random(f"{plan.config.seed}/{index}")
        keys, config = read_keys(run_dir), plan.config
        chooser = Chooser(
            pools=read_pool(run_dir), shares=config.kinds, malformed_share=config.malformed_share, rng=rng, keys=keys
        )
        recorder = Recorder(run_dir, f"samples-{index}", is_keyed=keys is not None)
        return cls(plan=plan, index=index, recorder=recorder, chooser=chooser)

    def sender(self, environment: Environment) -> RequestSender:
        def tell(request: PreparedRequest, latency_ms: float, outcome: str, reason: str) -> None:
            environment.events.request.fire(
                request_type=request.kind,
                name="malformed" if request.malformed else f"{request.num_rows} rows",
                response_time=latency_ms,
                response_length=0,
                exception=None if outcome in AS_IT_SHOULD else WentWrong(reason),
                context={},
            )

        judge = Judge(self.plan.version, self.plan.config.tolerance, self.plan.challenger)
        return RequestSender(judge=judge, recorder=self.recorder, tell=tell)


class CtrUser(User):
    """What all users share."""

    abstract = True
    process: ClassVar[SendingProcess]

    def on_start(self) -> None:
        self._sender = self.process.sender(self.environment)

    def _asker(self, kind: str, connections: int) -> GrpcAsker | HttpAsker:
        plan = self.process.plan
        return ASKERS[kind](plan.address(kind), plan.config.timeout_s, connections)


class WaitingUser(CtrUser):
    """Asks, waits for the answer, asks again."""

    abstract = True
    kind: ClassVar[str]

    def on_start(self) -> None:
        super().on_start()
        self._leaving = False
        self._ask = self._asker(self.kind, connections=1)

    @task
    def predict(self) -> None:
        """Until Locust has enough of this user. It kills users between tasks, which would hit a request that has begun."""
        while not self._leaving:
            outcome = self._sender.send(self._ask.ask, self.process.chooser.request(self.kind))
            if outcome not in AS_IT_SHOULD:
                gevent.sleep(REST_S)

    def stop(self, force: bool = False) -> bool:
        self._leaving = True
        return super().stop(force)

    def on_stop(self) -> None:
        self._ask.close()


class GrpcUser(WaitingUser):
    kind = "grpc"


class BinaryUser(WaitingUser):
    kind = "http_binary"


class JsonUser(WaitingUser):
    kind = "http_json"


class ArrivalsUser(CtrUser):
    """Sends what is due, whether or not earlier requests were answered. Each process has one."""

    def on_start(self) -> None:
        super().on_start()
        config = self.process.plan.config
        self._askers = {kind: self._asker(kind, config.max_in_flight) for kind, share in config.kinds.items() if share}
        self._greenlets = Greenlets()

    @task
    def send_what_is_due(self) -> None:
        config, chooser, started_s = self.process.plan.config, self.process.chooser, self.process.recorder.started_s
        for moment_s in due_s(config, self.process.index):
            intended_s = started_s + moment_s
            gevent.sleep(max(0.0, intended_s - time.monotonic()))  # lets others go on, also if this is late
            request = chooser.request(chooser.kind())
            if len(self._greenlets) >= config.max_in_flight:
                self._sender.unsent(request, intended_s, NO_ROOM)
            elif time.monotonic() - intended_s > config.timeout_s:
                self._sender.unsent(request, intended_s, TOO_LATE)
            else:
                self._greenlets.spawn(self._sender.send, self._askers[request.kind].ask, request, intended_s)
        self._greenlets.join(timeout=config.timeout_s)
        raise StopUser

    def on_stop(self) -> None:
        self._greenlets.kill()
        for asker in self._askers.values():
            asker.close()


WAITING = (GrpcUser, BinaryUser, JsonUser)
