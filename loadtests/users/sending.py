"""Sends the prepared requests of a run, judges each answer and records it: what users and arrivals have in common."""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import accumulate

from loadtests.requests.keys import RoutingKeys, of_user
from loadtests.requests.pool import Pool
from loadtests.requests.prepared_request import KINDS, PreparedRequest
from loadtests.verdicts.answers import Judge, Reply
from loadtests.verdicts.samples import Recorder

Ask = Callable[[PreparedRequest], Reply]
Tell = Callable[[PreparedRequest, float, str, str], None]  # request, latency in ms, outcome, reason
AS_IT_SHOULD = ("ok", "refused")


@dataclass(kw_only=True)
class Chooser:
    """Chooses which request is sent next, from the seed alone."""

    pools: dict[str, Pool]
    shares: dict[str, float]  # of the kinds
    malformed_share: float
    rng: random.Random
    keys: RoutingKeys | None = None  # None: the server has no challenger
    _names: list[str] = field(init=False)
    _ends: list[float] = field(init=False)

    def __post_init__(self) -> None:
        self._names = [kind for kind, share in self.shares.items() if share]
        self._ends = [*accumulate(self.shares[kind] for kind in self._names)]

    def kind(self) -> str:
        return self.rng.choices(self._names, cum_weights=self._ends)[0]

    def request(self, kind: str) -> PreparedRequest:
        pool = self.pools[kind]
        found = self.rng.choice(pool.malformed if self.rng.random() < self.malformed_share else pool.good)
        if self.keys is None or not self.keys.by_parameter or found.malformed:
            return found
        return of_user(found, self.keys, self.rng.randrange(len(self.keys.keys)))


@dataclass(frozen=True, kw_only=True)
class RequestSender:
    """Asks, judges, records, and tells whoever counts along."""

    judge: Judge
    recorder: Recorder
    tell: Tell

    def send(self, ask: Ask, request: PreparedRequest, intended_s: float | None = None) -> str:
        """Ask one request and return what came of it. `intended_s`: when it was due, if not now."""
        sent_s = time.monotonic()
        intended_s = sent_s if intended_s is None else intended_s
        try:
            reply = ask(request)
        except BaseException:  # above all the end of the run, which kills who waits
            self._record(request, intended_s, sent_s, "unknown", f"{request.kind}: without answer when the run ended")
            raise
        done_s = time.monotonic()
        verdict = self.judge.verdict(request, reply)
        if verdict.version is not None:
            self.recorder.versions[verdict.version] += 1
            self._note_who(request, intended_s, sent_s, done_s, verdict.version, verdict.outcome == "ok")
        self._record(request, intended_s, sent_s, verdict.outcome, verdict.reason, done_s)
        return verdict.outcome

    def _note_who(
        self, request: PreparedRequest, intended_s: float, sent_s: float, done_s: float, version: int, right: bool
    ) -> None:
        if request.key is not None and self.recorder.keyed is not None:
            times = {"intended_s": intended_s, "sent_s": sent_s, "done_s": done_s}
            self.recorder.keyed.add(**times, key=request.key, version=version, right=right)

    def unsent(self, request: PreparedRequest, intended_s: float, reason: str) -> None:
        """A request that was due and was not sent."""
        self._record(request, intended_s, time.monotonic(), "unsent", f"{request.kind}: not sent: {reason}")

    def _record(
        self, request: PreparedRequest, intended_s: float, sent_s: float, outcome: str, reason: str, done_s: float | None = None
    ) -> None:
        done_s = time.monotonic() if done_s is None else done_s
        self.recorder.add(
            intended_s=intended_s,
            sent_s=sent_s,
            done_s=done_s,
            rows=request.num_rows,
            kind=KINDS.index(request.kind),
            outcome=outcome,
            malformed=request.malformed,
            reason=reason,
        )
        self.tell(request, (done_s - intended_s) * 1e3, outcome, reason)
