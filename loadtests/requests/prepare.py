"""Draws the requests of a run from the test split, asks the server what the right answers are, and writes both down.

Where the server has a challenger, it is also written down whose the requests are.

Shape letters: N rows.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np

from contracts.serving.request import CATEGORICAL, IMAGE, RequestSpec
from contracts.serving.route import RELEASE
from loadtests.requests.bodies import BODIES, fits_json
from loadtests.requests.keys import entity_place, sent_keys, simulated_keys, with_parameter, write_keys
from loadtests.requests.pool import write_pool
from loadtests.requests.prepared_request import PreparedRequest, Tensors
from loadtests.requests.right_answers import Drawn, RightAnswers, ask_right
from loadtests.requests.spoiled import Spoiled, ways
from loadtests.requests.traffic import TrafficRows
from loadtests.routes.in_force import Experiment
from loadtests.settings import LoadConfig
from serving.client.protocols import Address
from serving.client.served_model import ServedModel

BODIES_A_WAY = 4  # malformed requests of each way, of different sizes


def prepare(
    folder: Path,
    config: LoadConfig,
    traffic: TrafficRows,
    used: frozenset[str],
    address: Address,
    model: ServedModel,
    experiment: Experiment | None = None,
) -> tuple[list[Drawn], RightAnswers]:
    """Write the pool of requests into `folder`, and, where there is an `experiment`, whose they are.

    Raises ValueError if the settings ask for what there is not.
    """
    check_sizes(config, traffic, model)
    rng = np.random.default_rng(config.seed)
    drawn = draw(rng, config, traffic)
    right = ask_right(rng, drawn, address, traffic.spec.digest, model, experiment)
    spoiled = spoil(rng, config, traffic, used)
    kinds = [kind for kind, share in config.kinds.items() if share]
    keys = None if experiment is None else key_places(folder, drawn, traffic.spec)
    good, malformed = good_requests(kinds, drawn, right, traffic.spec.digest, keys), malformed_requests(kinds, spoiled)
    if experiment is not None:  # what is broken on purpose is to be no fallback: those are counted
        malformed = [with_parameter(one, RELEASE, experiment.champion) for one in malformed]
    write_pool(folder, [*good, *malformed])
    return drawn, right


def key_places(folder: Path, drawn: list[Drawn], spec: RequestSpec) -> list[int] | None:
    """Write down whose requests the run sends; the place of each one's key, or None if users are simulated."""
    place = entity_place(spec)
    keys, places = (simulated_keys(), None) if place is None else sent_keys([one.tensors for one in drawn], place)
    write_keys(folder, keys)
    return places


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


def good_requests(
    kinds: list[str], drawn: list[Drawn], right: RightAnswers, digest: str, keys: list[int] | None = None
) -> list[PreparedRequest]:
    """`keys`: whose each of the drawn is, if it says so itself."""
    found, first = [], 0
    for i, one in enumerate(drawn):
        rows = slice(first, first + len(one.rows_N))
        first = rows.stop
        ready = [_prepared(kind, one.tensors, digest, right.probability[rows]) for kind in kinds if can_carry(kind, one.tensors)]
        challenger_N = None if right.challenger is None else right.challenger[rows]
        found += [replace(request, challenger_N=challenger_N, key=None if keys is None else keys[i]) for request in ready]
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
