"""What weights that are the same on every maker's processors cost: stage train with `trainer=portable` against the default."""

from bench.figures import Figure, in_turn
from bench.workspace import Workspace, workspace
from stages.files import read_json

SMALL = ["exchange.impressions_per_month=50000", "train.max_epochs=2"]
PAIRS = 3


def measure() -> list[Figure]:
    """The default model on the default world, smaller; rows a second of the epochs, one way and the other in turn."""
    with workspace(SMALL) as space:
        space.stages("acquire", "validate", "split", "fit", "encode")
        compared = in_turn(lambda: trained(space, "portable"), lambda: trained(space, "cpu"), PAIRS)
    return [Figure(what="training rows/s with trainer=portable against trainer=cpu", figure=compared.shown(2))]


def trained(space: Workspace, trainer: str) -> float:
    space.compose([*SMALL, f"trainer={trainer}"])
    space.remove(".checkpoints", "artifacts/model")
    space.stage("train")
    return read_json(space.root / "reports/train_timing.json")["train_rows_per_s"]
