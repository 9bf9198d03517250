"""What `ctr_careful` does with requests that the backend in serving/native hands it: that has routed them already, and says how.

Parameter `adclick_routed` says it in words: ARM STATUS BUCKET FLAGS ROUTE ID, numbers as in a record of the journal, the route's
digest in 16 hexadecimal digits, and the id of the answer that is shadowed in 32, or "-". Parameter `adclick_open` names the
releases that are open to a request which asks for another one.
"""

import json
import re
import traceback
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import triton_python_backend_utils as pb_utils

from serving.triton.journal.layout import NO_BUCKET, NO_ROUTE, SHADOW
from serving.triton.journal.record import UNROUTED, Routed
from serving.triton.packed_request import PackedRequest
from serving.triton.refusal import Refused
from serving.triton.routing.choice import asked_release, not_open, sent_key
from serving.triton.routing.open_release import OpenRelease
from serving.triton.routing.outcome import FAILED, Outcome

ROUTED, OPEN = "adclick_routed", "adclick_open"
WORDS = re.compile(r"([0-2]) ([023]) ([0-9]{1,10}) ([0-7]) ([0-9a-f]{16}) ([0-9a-f]{32}|-)")


class CarefulAnswerer:
    """Answers by one release, whoever was assigned. `is_told`: it may be told how requests were routed."""

    def __init__(self, own: OpenRelease, is_told: bool) -> None:
        self._own, self._is_told = own, is_told

    def answer(self, requests: list[PackedRequest]) -> list[Outcome]:
        """Of each request. Shadows are written as such, and not counted."""
        outcomes: list[Outcome] = [FAILED] * len(requests)
        groups: dict[tuple[int, bool], list[tuple[int, Routed]]] = defaultdict(list)
        for number, request in enumerate(requests):
            try:
                route, routed = self._routed(request.parameters)
                groups[route, routed.status == SHADOW].append((number, routed))
            except Refused as refusal:
                outcomes[number] = refusal
        for (route, is_shadow), group in groups.items():
            asked = [requests[number] for number, _ in group]
            for (number, _), outcome in zip(group, self._group(asked, route, is_shadow, [own for _, own in group]), strict=True):
                outcomes[number] = outcome
        return outcomes

    def is_counted(self, request: Any) -> bool:
        """False for a shadow: nobody waits for its answer but the backend."""
        sent = request.parameters()
        if not self._is_told or not sent or ROUTED not in sent:
            return True
        words = WORDS.fullmatch(str(json.loads(sent).get(ROUTED)))
        return words is None or int(words[2]) != SHADOW

    def close(self) -> None:
        pass

    def _group(self, requests: list[PackedRequest], route: int, is_shadow: bool, routed: list[Routed]) -> Iterator[Outcome]:
        try:
            computed = self._own.compute(requests)
            return iter(self._own.settle(computed, route, routed, counts=not is_shadow))
        except Exception:  # whatever it is: the clients get one sentence, the log gets the traceback
            pb_utils.Logger.log_error(traceback.format_exc())
            return iter([FAILED] * len(requests))

    def _routed(self, parameters: dict[str, Any]) -> tuple[int, Routed]:
        """The route, and what it made of a request. Raises Refused."""
        if not parameters:
            return NO_ROUTE, UNROUTED
        key, asked = sent_key(parameters), asked_release(parameters)
        if asked is not None and self._is_told and OPEN in parameters:
            raise not_open(asked, str(parameters[OPEN]))
        if self._is_told and ROUTED in parameters:
            return _read(str(parameters[ROUTED]), key)
        if asked not in (None, self._own.version):
            raise not_open(asked, str(self._own.version))
        return NO_ROUTE, UNROUTED if key is None else Routed(key=key)


def _read(text: str, key: bytes | None) -> tuple[int, Routed]:
    words = WORDS.fullmatch(text)
    if words is None:
        raise Refused("routed", f"parameter '{ROUTED}' is not understood; it is the server's own, leave it out")
    arm, status, place, flags = map(int, words.groups()[:4])
    shadowed = None if words[6] == "-" else bytes.fromhex(words[6])
    bucket = None if place == NO_BUCKET else place
    return int(words[5], 16), Routed(arm=arm, status=status, bucket=bucket, flags=flags, key=key, shadowed=shadowed)
