"""Answers requests by the route: each by one arm, whole, and by the champion where the challenger does not."""

import traceback
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import triton_python_backend_utils as pb_utils

from contracts.clock import Clock, clock
from contracts.serving.fuse import shown
from serving.triton.joined_text import LENGTH
from serving.triton.journal.layout import ANSWERED, FALLBACK, NO_ROUTE
from serving.triton.packed_request import PackedRequest
from serving.triton.refusal import Refused
from serving.triton.routing.case import Case
from serving.triton.routing.challenged import Challenged
from serving.triton.routing.choice import ARM_NAMES, NOTHING, PARAMETERS, asking, choose, refuse_unless_open
from serving.triton.routing.open_release import OpenRelease
from serving.triton.routing.opener import Opener
from serving.triton.routing.outcome import FAILED, Answered, Outcome
from serving.triton.routing.shadow.hours import ShadowHours
from serving.triton.routing.shadow.shadows import Shadows
from serving.triton.routing.table import Table
from serving.triton.routing.watch import RouteWatch

END_S = 0.3  # for a shadow that is being computed when all ends


class RoutedAnswerer:
    """`own` is the release that Triton has loaded: requests are made for it."""

    def __init__(self, own: OpenRelease, watch: RouteWatch, shadows: Shadows, known_clock: Clock) -> None:
        self._own, self._watch, self._shadows, self._clock = own, watch, shadows, known_clock
        names = [column["name"] for column in own.settings["categorical"]]
        entity = own.settings.get("entity")  # a release that was exported before there were routes does not say
        self._entity = names.index(entity) if entity in names else None

    def answer(self, requests: list[PackedRequest]) -> list[Outcome]:
        with self._watch.in_force.used() as table:
            outcomes: list[Outcome] = [FAILED] * len(requests)
            cases = [*self._chosen(table, requests, outcomes)]
            self._count(table, cases)
            ours = [case for case in cases if case.chosen.release == table.champion.version]
            theirs = [case for case in cases if case.chosen.release != table.champion.version]
            asked = None if not theirs else Challenged.ask(table, theirs)
            self._by_champion(table, ours, outcomes, ANSWERED)
            if asked is not None:
                self._by_challenger(table, asked, outcomes)
            return outcomes

    def is_counted(self, request: Any) -> bool:
        return True

    def close(self) -> None:
        self._shadows.close(END_S)
        self._watch.close()

    def _chosen(self, table: Table, requests: list[PackedRequest], outcomes: list[Outcome]) -> Iterator[Case]:
        is_on = table.is_on(self._clock.now_ns() // 1_000_000)
        releases = [release.version for release in table.releases]
        is_tried, nothing = table.route.trial is not None, choose(table.route, NOTHING, is_on)
        for number, request in enumerate(requests):
            if not is_tried and request.parameters.keys().isdisjoint(PARAMETERS):
                yield Case(number=number, request=request, chosen=nothing)
                continue
            try:
                asked = asking(request.parameters, self._entity_of(request) if is_tried else b"")
                refuse_unless_open(asked.release, releases)
                yield Case(number=number, request=request, chosen=choose(table.route, asked, is_on))
            except Refused as refusal:
                outcomes[number] = refusal

    def _entity_of(self, request: PackedRequest) -> bytes:
        return b"" if self._entity is None else _string(request, self._entity)

    def _by_champion(self, table: Table, cases: list[Case], outcomes: list[Outcome], status: int) -> None:
        if not cases:
            return
        try:
            computed = table.champion.compute([case.request for case in cases])
            routed = [case.routed(status) for case in cases] if table.champion.journal.is_kept else None
            found = table.champion.settle(computed, table.digest, routed)
        except Exception:  # whatever it is: the clients get one sentence, the log gets the traceback
            pb_utils.Logger.log_error(traceback.format_exc())
            return
        for case, outcome in zip(cases, found, strict=True):
            outcomes[case.number] = outcome
        if status == ANSWERED:
            self._shadows.offer(table, cases, found, computed.cost_s)

    def _by_challenger(self, table: Table, asked: Challenged, outcomes: list[Outcome]) -> None:
        found = asked.outcomes(table)
        for case, outcome in zip(asked.cases, found.outcomes, strict=True):
            outcomes[case.number] = outcome
        self._by_champion(table, [case for case, _ in found.fallen], outcomes, FALLBACK)
        for case, reason in found.fallen:
            if isinstance(outcomes[case.number], Answered):
                self._own.counters.count("adclick_fallback_total", reason=reason)
        asked.judge(found, [not isinstance(outcomes[case.number], Refused) for case, _ in found.fallen])
        if found.cost_s is not None:
            self._shadows.offer(table, asked.cases, found.outcomes, found.cost_s)

    def _count(self, table: Table, cases: list[Case]) -> None:
        if table.digest == NO_ROUTE:
            return
        counters = self._own.counters
        for arm, number in Counter(case.chosen.arm for case in cases).items():
            counters.count("adclick_routed_total", number, arm=ARM_NAMES[arm])
        unkeyed = 0 if table.route.trial is None else sum(case.chosen.bucket is None for case in cases)
        if unkeyed:
            counters.count("adclick_unkeyed_total", unkeyed)


def open_routed(own: OpenRelease, name: str, folder: Path, route: Path) -> RoutedAnswerer:
    """For model `name`, whose own version is in `folder`."""
    say, known_clock = pb_utils.Logger.log_error, clock()
    watch = RouteWatch(route, own, Opener(own, name, folder.parent), known_clock, say)
    in_force = watch.in_force
    hours = ShadowHours(own.counters.count, own.journal.event, known_clock.now_ns, lambda: shown(in_force.table.digest))
    answerer = RoutedAnswerer(own, watch, Shadows(in_force, hours, say), known_clock)
    watch.start()
    return answerer


def _string(request: PackedRequest, place: int) -> bytes:
    """The string at this place of the first row, as it came; b"" if the bytes are no strings, which is for the arm to refuse."""
    raw, at = request.raw, 0
    for column in range(place + 1):
        if at + LENGTH.size > len(raw):
            return b""
        (length,) = LENGTH.unpack_from(raw, at)
        start, at = at + LENGTH.size, at + LENGTH.size + length
        if at > len(raw):
            return b""
        if column == place:
            return raw[start:at].tobytes()
    return b""
