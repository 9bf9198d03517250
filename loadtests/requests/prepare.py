"""Draws the requests of a run from the test split, asks the server what the right answers are, and writes both down.

The right answers are asked before the load begins and in batches of other rows than the requests have, so that an answer
which depends on its neighbours, on the load or on the way it was sent shows.

Shape letters: N rows.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from contracts.serving.request import CATEGORICAL, IMAGE, RequestSpec
from loadtests.requests.bodies import BODIES, Tensors, fits_json
from loadtests.requests.pool import write_pool
from loadtests.requests.prepared_request import PreparedRequest
from loadtests.requests.spoiled import Spoiled, ways
from loadtests.requests.traffic import TrafficRows
from loadtests.settings import LoadConfig
from serving.client.batch import pieces
from serving.client.protocols import Address, GrpcDoor
from serving.client.served_model import ServedModel

BODIES_A_WAY = 4  # malformed requests of each way, of different sizes
ASKED_ROWS = 100  # of the requests that ask for the right answers
ATTEMPT_S = 30.0


@dataclass(frozen=True, kw_only=True, eq=False)
class Drawn:
    """A good request before it is bytes."""

    tensors: Tensors
    rows_N: np.ndarray  # places in the test split
    with_image: bool


@dataclass(frozen=True, kw_only=True)
class RightAnswers:
    """What the server said of all rows of the drawn requests, one after the other."""

    probability: np.ndarray  # float32
    model_version: int  # that said it


def prepare(
    folder: Path, config: LoadConfig, traffic: TrafficRows, used: frozenset[str], address: Address, model: ServedModel
) -> tuple[list[Drawn], RightAnswers]:
    """Write the pool of requests into `folder`. Raises ValueError if the settings ask for what there is not."""
    check_sizes(config, traffic, model)
    rng = np.random.default_rng(config.seed)
    drawn = draw(rng, config, traffic)
    right = ask(rng, drawn, address, traffic.spec.digest, model)
    spoiled = spoil(rng, config, traffic, used)
    kinds = [kind for kind, share in config.kinds.items() if share]
    write_pool(folder, [*good_requests(kinds, drawn, right, traffic.spec.digest), *malformed_requests(kinds, spoiled)])
    return drawn, right


def check_sizes(config: LoadConfig, traffic: TrafficRows, model: ServedModel) -> None:
    most = max(rows for rows, share in config.rows_per_request.items() if share)
    if most > model.max_rows:
        raise ValueError(f"rows_per_request has {most} rows, the server takes at most {model.max_rows} a request")
    if most > traffic.num_rows:
        raise ValueError(f"rows_per_request has {most} rows, the traffic only {traffic.num_rows}; raise traffic_rows")


def draw(rng: np.random.Generator, config: LoadConfig, traffic: TrafficRows) -> list[Drawn]:
    """Requests in which every size, with image and without, has its share."""
    shares = {True: config.image_share if len(traffic.rows_of_new_creatives()) else 0.0}
    shares[False] = 1 - shares[True]
    found = []
    for with_image, share in shares.items():
        sizes = apportion(config.rows_per_request, round(share * config.bodies_per_kind) or (1 if share else 0))
        for num_rows in sizes:
            payload = traffic.draw(rng, num_rows, with_images=with_image)
            tensors = as_strangers(payload.tensors, traffic.spec)
            found.append(Drawn(tensors=tensors, rows_N=payload.rows_N, with_image=IMAGE in tensors))
    return found


def apportion(shares: dict[int, float], total: int) -> list[int]:
    """`total` sizes, as often as their shares say (largest remainders)."""
    exact = {size: share / sum(shares.values()) * total for size, share in shares.items()}
    counts = {size: int(number) for size, number in exact.items()}
    by_remainder = sorted(exact, key=lambda size: counts[size] - exact[size])
    for size in by_remainder[: total - sum(counts.values())]:
        counts[size] += 1
    return [size for size, number in counts.items() for _ in range(number)]


def as_strangers(tensors: Tensors, spec: RequestSpec) -> Tensors:
    """The creatives that have an image under names that no model knows: it looks at images of unknown creatives alone."""
    if IMAGE not in tensors:
        return tensors
    place = next(i for i, column in enumerate(spec.categorical) if column.name == spec.creative)
    column = spec.categorical[place]
    datatype, categorical_NC = tensors[CATEGORICAL]
    renamed = categorical_NC.copy()
    shown = np.flatnonzero([bool(image) for image in tensors[IMAGE][1][:, 0]])
    for row in shown:
        renamed[row, place] = stranger(str(renamed[row, place]), column.dtype, column.max, column.max_length)
    return tensors | {CATEGORICAL: (datatype, renamed)}


def stranger(name: str, dtype: str, largest: float | None, max_length: int | None) -> str:
    """A creative's name that training has not seen, within its column's rules."""
    if dtype == "int":
        return str(int(largest)) if largest is not None else f"9{name.lstrip('-')[-17:].zfill(11)}"  # fits int64
    return f"new {name}"[:max_length]


def ask(rng: np.random.Generator, drawn: list[Drawn], address: Address, digest: str, model: ServedModel) -> RightAnswers:
    """The server's answers to all rows, shuffled, in requests of ASKED_ROWS. Raises ValueError if they are of two versions."""
    tensors = joined(drawn)
    num_rows = len(next(iter(tensors.values())))
    order = rng.permutation(num_rows)
    images = tensors.get(IMAGE)
    sizes = [] if images is None else [np.array([len(image) for image in images[order, 0]])]
    probability_N, versions = np.empty(num_rows, dtype=np.float32), set()
    door = GrpcDoor(address)
    try:
        for start, stop in pieces(num_rows, min(ASKED_ROWS, model.max_rows), sizes, model.max_request_bytes):
            chosen = order[start:stop]
            found = door.infer({name: values[chosen] for name, values in tensors.items()}, digest, ATTEMPT_S)
            probability_N[chosen] = found.probability
            versions |= {*found.model_version.tolist()}
    finally:
        door.close()
    if len(versions) > 1:
        raise ValueError(f"the server answers with two model versions, {sorted(versions)}; wait until its deploy is done")
    return RightAnswers(probability=probability_N, model_version=versions.pop())


def joined(drawn: list[Drawn]) -> dict[str, np.ndarray]:
    """The rows of all requests one after the other; where none has an image there is no tensor of images."""
    names = {name for one in drawn for name in one.tensors}
    parts: dict[str, list[np.ndarray]] = {name: [] for name in sorted(names)}
    for one in drawn:
        for name, found in parts.items():
            no_image = np.full((len(one.rows_N), 1), b"", dtype=object)
            found.append(one.tensors[name][1] if name in one.tensors else no_image)
    return {name: np.concatenate(found) for name, found in parts.items()}


def good_requests(kinds: list[str], drawn: list[Drawn], right: RightAnswers, digest: str) -> list[PreparedRequest]:
    found, first = [], 0
    for one in drawn:
        expected = right.probability[first : first + len(one.rows_N)]
        first += len(one.rows_N)
        found += [_prepared(kind, one.tensors, digest, expected) for kind in kinds if can_carry(kind, one.tensors)]
    return found


def spoil(rng: np.random.Generator, config: LoadConfig, traffic: TrafficRows, used: frozenset[str]) -> list[Spoiled]:
    """Requests that must be refused, BODIES_A_WAY of each way."""
    sizes = [rows for rows, share in config.rows_per_request.items() if share]
    found = []
    for make in ways(traffic.spec, used).values():
        for i in range(BODIES_A_WAY):
            found.append(make(traffic.draw(rng, sizes[i % len(sizes)]).tensors))
    return found


def malformed_requests(kinds: list[str], spoiled: list[Spoiled]) -> list[PreparedRequest]:
    return [_prepared(kind, one.tensors, one.digest, None) for one in spoiled for kind in kinds if can_carry(kind, one.tensors)]


def can_carry(kind: str, tensors: Tensors) -> bool:
    return kind != "http_json" or fits_json(tensors)


def _prepared(kind: str, tensors: Tensors, digest: str, expected_N: np.ndarray | None) -> PreparedRequest:
    body, header_length = BODIES[kind](tensors, digest)
    num_rows = max(len(values) for _, values in tensors.values())
    malformed = expected_N is None
    expected_N = np.empty(0, dtype=np.float32) if malformed else expected_N
    return PreparedRequest(
        kind=kind, malformed=malformed, num_rows=num_rows, header_length=header_length, body=body, expected_N=expected_N
    )
