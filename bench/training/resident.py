"""Training rows a second of stage train against the plain loop on tensors already in memory (bench/training/resident_loop.py)."""

import json

from bench.figures import Figure, at_least, in_turn, spread
from bench.workspace import Workspace, workspace
from stages.files import read_json

ROWS_PER_MONTH = 200_000
EPOCHS = 3  # the default is 8; the loop beside warms up before its clock starts
PAIRS = 3
BAR = 0.9


def measure() -> list[Figure]:
    """EPOCHS epochs of the default model on the default data, creatives included; both with the same threads and batch."""
    with workspace([f"exchange.impressions_per_month={ROWS_PER_MONTH}", f"train.max_epochs={EPOCHS}"]) as space:
        space.stages("acquire", "validate", "split", "fit", "encode")
        num_steps: list[int] = []
        compared = in_turn(lambda: trained(space, num_steps), lambda: resident(space, num_steps[-1]), PAIRS)
    return [
        at_least(
            "training rows/s against forward + backward + step on tensors in memory",
            compared.ratio,
            BAR,
            compared.shown(3),
            ">= 0.9",
        ),
        Figure(what="stage train, dcnv2 with creatives", figure=spread(compared.ours, "rows/s")),
        Figure(what="the loop on tensors in memory", figure=spread(compared.theirs, "rows/s")),
    ]


def trained(space: Workspace, num_steps: list[int]) -> float:
    """Rows a second of the epochs of stage train, first batch to last: slicing, clipping, logs, checkpoints."""
    space.remove(".checkpoints", "artifacts/model")
    space.stage("train")
    num_steps.append(read_json(space.root / "reports/train/metrics.json")["num_steps"])
    return read_json(space.root / "reports/train_timing.json")["train_rows_per_s"]


def resident(space: Workspace, num_steps: int) -> float:
    return json.loads(space.module("bench.training.resident_loop", str(num_steps)).stdout)["rows_per_s"]
