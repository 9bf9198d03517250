"""Training on one GPU in bf16 with large batches: rows a second, against tensors already on the GPU, and how busy it is."""

from statistics import median

import pynvml

from bench.figures import Figure, at_least, in_turn, spread
from bench.training.gpu_use import watched
from bench.training.resident import BAR, resident, trained
from bench.workspace import MeasurementError, workspace

OVERRIDES = [
    "trainer=gpu",
    "exchange.impressions_per_month=4000000",
    "train.batch_size=65536",
    "train.min_steps_per_epoch=1",
    "train.max_epochs=3",
]
PAIRS = 3


def measure() -> list[Figure]:
    """The default model on a larger exchange. Raises MeasurementError where there is no GPU."""
    name = gpu_name()
    busy: list[float] = []

    def trained_and_watched() -> float:
        with watched(busy):
            return trained(space, num_steps)

    with workspace(OVERRIDES) as space:
        space.stages("acquire", "validate", "split", "fit", "encode")
        num_steps: list[int] = []
        compared = in_turn(trained_and_watched, lambda: resident(space, num_steps[-1]), PAIRS)
    what = f"training rows/s on one {name}, bf16-mixed, batches of 65,536, against tensors on the GPU"
    return [
        at_least(what, compared.ratio, BAR, compared.shown(3), ">= 0.9"),
        Figure(what="stage train on the GPU, dcnv2 with creatives", figure=spread(compared.ours, "rows/s")),
        Figure(what="the loop on tensors on the GPU", figure=spread(compared.theirs, "rows/s")),
        Figure(what="share of the time in which the GPU computes, first step to last", figure=f"{median(busy):.0%}"),
    ]


def gpu_name() -> str:
    try:
        pynvml.nvmlInit()
        return pynvml.nvmlDeviceGetName(pynvml.nvmlDeviceGetHandleByIndex(0))
    except pynvml.NVMLError as error:
        raise MeasurementError(f"this part needs an NVIDIA GPU and a torch built for it; none is found ({error})") from error
