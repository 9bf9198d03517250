"""Asks the server, before there is load, what the right answers are.

In batches of other rows than the requests have, so that an answer which depends on its neighbours, on the load or on the way it
was sent shows. A server with a challenger is asked for those of both arms.

Shape letters: N rows.
"""

from dataclasses import dataclass, replace

import numpy as np

from contracts.serving.request import IMAGE
from contracts.serving.route import RELEASE
from loadtests.requests.prepared_request import Tensors
from loadtests.routes.in_force import Experiment
from serving.client.batch import pieces
from serving.client.protocols import Address, GrpcDoor, Prediction
from serving.client.served_model import ServedModel

ASKED_ROWS = 100  # of the requests that ask for the right answers
ATTEMPT_S, ATTEMPTS = 30.0, 5


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
    challenger: np.ndarray | None = None  # what the challenger says, if there is one


def ask_right(
    rng: np.random.Generator,
    drawn: list[Drawn],
    address: Address,
    digest: str,
    model: ServedModel,
    experiment: Experiment | None,
) -> RightAnswers:
    """The right answers of all who may answer. A challenger that is off is not asked: nobody is answered by it."""
    if experiment is None:
        return ask(rng, drawn, address, digest, model)
    right = ask(rng, drawn, address, digest, model, experiment.champion)
    if not experiment.is_open:
        return right
    return replace(right, challenger=ask(rng, drawn, address, digest, model, experiment.challenger).probability)


def ask(
    rng: np.random.Generator,
    drawn: list[Drawn],
    address: Address,
    digest: str,
    model: ServedModel,
    release: int | None = None,
) -> RightAnswers:
    """The server's answers to all rows, shuffled, in requests of ASKED_ROWS. Raises ValueError if they are of two versions.

    `release`: that shall answer; None: whoever does.
    """
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
            found = asked_of(door, {name: values[chosen] for name, values in tensors.items()}, digest, release)
            probability_N[chosen] = found.probability
            versions |= {*found.model_version.tolist()}
    finally:
        door.close()
    if len(versions) > 1:
        raise ValueError(f"the server answers with two model versions, {sorted(versions)}; wait until its deploy is done")
    return RightAnswers(probability=probability_N, model_version=versions.pop())


def asked_of(door: GrpcDoor, tensors: dict[str, np.ndarray], digest: str, release: int | None) -> Prediction:
    """The answer of this release; a challenger that was late, so that another one answered, is asked again.

    Raises ValueError if it does not come.
    """
    if release is None:
        return door.infer(tensors, digest, ATTEMPT_S)
    for _ in range(ATTEMPTS):
        found = door.infer(tensors, digest, ATTEMPT_S, said={RELEASE: release})
        if (found.model_version == release).all():
            return found
    others = sorted({*found.model_version.tolist()})
    raise ValueError(
        f"release {release} was asked for {ATTEMPTS} times, and {others} answered; its right answers are not known, so look at "
        "adclick_fallback_total and at the server's log before it is loaded"
    )


def joined(drawn: list[Drawn]) -> dict[str, np.ndarray]:
    """The rows of all requests one after the other; where none has an image there is no tensor of images."""
    names = {name for one in drawn for name in one.tensors}
    parts: dict[str, list[np.ndarray]] = {name: [] for name in sorted(names)}
    for one in drawn:
        for name, found in parts.items():
            no_image = np.full((len(one.rows_N), 1), b"", dtype=object)
            found.append(one.tensors[name][1] if name in one.tensors else no_image)
    return {name: np.concatenate(found) for name, found in parts.items()}
