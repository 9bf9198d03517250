"""Whose requests a load run sends, where the server has a challenger: by the routing key each request is given to an arm.

Where requests have the column of the entity, that is whom they are of; else each brings the key of a simulated user.
"""

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from tritonclient.grpc import service_pb2

from contracts.serving.request import CATEGORICAL, RequestSpec
from contracts.serving.route import ROUTING_KEY
from loadtests.requests.prepared_request import PreparedRequest, Tensors

KEYS = "keys.json"
NUM_USERS = 10_000  # simulated ones


@dataclass(frozen=True, kw_only=True)
class RoutingKeys:
    """The keys of a run, each once. "" is that of a request without one, which is in no experiment."""

    keys: list[str]
    by_parameter: bool  # each request brings one of them as parameter; else the server reads it of the request's first row


def simulated_keys() -> RoutingKeys:
    return RoutingKeys(keys=[f"load-user-{number:05d}" for number in range(NUM_USERS)], by_parameter=True)


def entity_place(spec: RequestSpec) -> int | None:
    """Where in the tensor `categorical` it stands whose request it is; None if requests do not say."""
    return next((i for i, column in enumerate(spec.categorical) if column.role == "entity"), None)


def sent_keys(requests: list[Tensors], place: int) -> tuple[RoutingKeys, list[int]]:
    """The keys that the requests' first rows have in this column, and the place among them of each request's."""
    texts = [str(tensors[CATEGORICAL][1][0, place]) for tensors in requests]
    keys = [*dict.fromkeys(texts)]
    places = {key: i for i, key in enumerate(keys)}
    return RoutingKeys(keys=keys, by_parameter=False), [places[text] for text in texts]


def write_keys(folder: Path, keys: RoutingKeys) -> None:
    (folder / KEYS).write_text(json.dumps(asdict(keys)), encoding="utf-8")


def read_keys(folder: Path) -> RoutingKeys | None:
    """None for a run whose server has no challenger."""
    path = folder / KEYS
    return RoutingKeys(**json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else None


def of_user(request: PreparedRequest, keys: RoutingKeys, place: int) -> PreparedRequest:
    """The request as this simulated user sends it."""
    return replace(with_parameter(request, ROUTING_KEY, keys.keys[place]), key=place)


def with_parameter(request: PreparedRequest, name: str, value: str | int) -> PreparedRequest:
    """The request with one parameter more, written into its bytes."""
    if request.kind == "grpc":  # a serialised message behind another one is merged with it
        more = service_pb2.ModelInferRequest()
        if isinstance(value, str):
            more.parameters[name].string_param = value
        else:
            more.parameters[name].int64_param = value
        return replace(request, body=request.body + more.SerializeToString())
    end = (request.header_length or len(request.body)) - len(b"}}")  # of the parameters, which stand last in the JSON
    text = f", {json.dumps(name)}: {json.dumps(value)}".encode()
    header_length = request.header_length + len(text) if request.header_length else 0
    return replace(request, body=request.body[:end] + text + request.body[end:], header_length=header_length)
