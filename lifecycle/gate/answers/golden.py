"""Golden requests: a fixed set of right and malformed ones. Right ones are answered, wrong ones refused by the same rule.

Shape letters: N rows, C categorical columns, M numeric columns.
"""

import re
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

import numpy as np

from contracts.serving.request import CATEGORICAL, NUMERIC
from lifecycle.gate.answers.contract import TIMEOUT_S
from lifecycle.gate.checks import GOLDEN, GateCheck
from lifecycle.gate.measuring.served import FAILURES, Served
from lifecycle.gate.models import GatedModel
from loadtests.requests.prepare import stranger
from loadtests.requests.spoiled import ways
from loadtests.requests.traffic import TrafficRows
from serving.client.errors import RULE, RefusedRequest
from serving.client.protocols import GrpcDoor, HttpDoor

MOST_VALUES = 20  # of a column, each of which is asked for with one row
SHOWN = 3
VARYING = re.compile(r"'[^']*'|\[[^\]]*\]|[\d.]+")  # what a refusal says of this request alone
ADVICE = re.compile(r", expected |; | \(")  # begins what it says of the model's own columns


@dataclass(frozen=True, kw_only=True)
class GoldenRequest:
    """A request and whether it is right."""

    name: str  # the same for every model
    tensors: dict[str, np.ndarray]
    digest: str
    is_right: bool


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What came of a request: answered rightly, refused by a rule, or something else."""

    kind: str  # answered, refused, failed
    detail: str = ""  # rule or reason

    def __str__(self) -> str:
        return f"{self.kind} ({self.detail})" if self.detail else self.kind


def golden_check(sides: Sequence[tuple[Served, TrafficRows]]) -> GateCheck:
    """`sides`: the candidate, and the champion if there is one, each with the same rows as requests to it."""
    found = [outcomes(served, [*golden_requests(served.model, traffic)]) for served, traffic in sides]
    right = {request.name: request.is_right for served, traffic in sides for request in golden_requests(served.model, traffic)}
    wrong = [
        f"{name} over {protocol} is {outcome}, and must be {'answered' if right[name] else 'refused'}"
        for (name, protocol), outcome in found[0].items()
        if outcome.kind != ("answered" if right[name] else "refused")
    ]
    for champion in found[1:]:
        wrong += [
            f"{name} over {protocol}: the candidate's is {outcome}, the champion's {champion[name, protocol]}"
            for (name, protocol), outcome in found[0].items()
            if (name, protocol) in champion and champion[name, protocol] != outcome
        ]
    names = {name for name, _ in found[0]}
    figures = {"requests": len(names), "malformed": sum(not right[name] for name in names), "wrong": wrong}
    if wrong:
        more = f"; and {len(wrong) - SHOWN} more" if len(wrong) > SHOWN else ""
        return GateCheck(
            name=GOLDEN, passed=False, sentence=f"golden requests: {'; '.join(wrong[:SHOWN])}{more}", figures=figures
        )
    alike = " by the champion's rules" if len(sides) > 1 else ""
    sentence = f"{len(names)} golden requests over gRPC and HTTP: {figures['malformed']} malformed ones are refused{alike}"
    return GateCheck(name=GOLDEN, passed=True, sentence=f"{sentence}, the others are answered", figures=figures)


def golden_requests(model: GatedModel, traffic: TrafficRows) -> Iterator[GoldenRequest]:
    """Rows of every value of a column with few, unknown and missing values, numbers at their bounds; malformed requests."""
    spec = traffic.spec
    first = payload(traffic, [0])

    def right(name: str, tensors: dict[str, np.ndarray]) -> GoldenRequest:
        return GoldenRequest(name=name, tensors=tensors, digest=spec.digest, is_right=True)

    for place, column in enumerate(spec.categorical):
        values_N = traffic.categorical_NC[:, place] if traffic.categorical_NC is not None else np.empty(0)
        _, rows = np.unique(values_N.astype(str), return_index=True)
        yield right(f"values of '{column.name}'", payload(traffic, np.sort(rows)[:MOST_VALUES].tolist()))
        if column.dtype in ("string", "int"):
            unknown = stranger(str(values_N[0]), column.dtype, column.max, column.max_length)
            yield right(f"an unknown '{column.name}'", changed(first, CATEGORICAL, place, unknown))
        if column.nullable:
            yield right(f"a missing '{column.name}'", changed(first, CATEGORICAL, place, ""))
    for place, column in enumerate(spec.numeric):
        if column.nullable:
            yield right(f"a missing '{column.name}'", changed(first, NUMERIC, place, np.nan))
        for which, bound in (("least", column.min), ("largest", column.max)):
            if bound is not None and float(np.float32(bound)) == bound:
                yield right(f"the {which} '{column.name}'", changed(first, NUMERIC, place, bound))
    good = traffic.payload(np.arange(min(2, traffic.num_rows))).tensors
    for name, spoil in ways(spec, model.used).items():
        spoiled = spoil(good)
        tensors = {tensor: values for tensor, (_, values) in spoiled.tensors.items()}
        yield GoldenRequest(name=f"a request with {name}", tensors=tensors, digest=spoiled.digest, is_right=False)


def payload(traffic: TrafficRows, rows: list[int]) -> dict[str, np.ndarray]:
    return {name: values for name, (_, values) in traffic.payload(np.array(rows, dtype=np.int64)).tensors.items()}


def changed(tensors: dict[str, np.ndarray], name: str, place: int, value: str | float) -> dict[str, np.ndarray]:
    """The tensors of one row with another value in a column."""
    values = tensors[name].copy()
    values[0, place] = value
    return tensors | {name: values}


def outcomes(served: Served, requests: list[GoldenRequest]) -> dict[tuple[str, str], Outcome]:
    """What came of each request over each protocol, by its name and the protocol's."""
    found: dict[tuple[str, str], Outcome] = {}
    with ExitStack() as stack:
        for protocol, kind in (("grpc", GrpcDoor), ("http", HttpDoor)):
            door = kind(served.address(protocol))
            stack.callback(door.close)
            found |= {(request.name, protocol): outcome_of(door, request) for request in requests}
    return found


def outcome_of(door: GrpcDoor | HttpDoor, request: GoldenRequest) -> Outcome:
    try:
        probability_N = door.infer(request.tensors, request.digest, TIMEOUT_S).probability
    except RefusedRequest as refusal:
        return Outcome(kind="refused", detail=rule_of(str(refusal)))
    except FAILURES as error:
        return Outcome(kind="failed", detail=str(error))
    if not (np.isfinite(probability_N) & (probability_N > 0) & (probability_N < 1)).all():
        return Outcome(kind="failed", detail="a probability is not between 0 and 1")
    return Outcome(kind="answered")


def rule_of(sentence: str) -> str:
    """The rule by which a request was refused; where none is named, the sentence without what this request or model alone has."""
    if RULE in sentence:
        return sentence.rpartition(RULE)[2].partition(":")[0]
    return ADVICE.split(VARYING.sub("…", sentence))[0]
