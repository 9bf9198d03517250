"""When requests are due that arrive at a rate, whether or not earlier ones were answered.

Each process sends its part of the rate: Poisson processes add up to one, and constant gaps are offset from one another.
"""

from collections.abc import Iterator

import numpy as np

from loadtests.settings import LoadConfig

BLOCK = 1024  # gaps that are drawn at a time


def due_s(config: LoadConfig, index: int) -> Iterator[float]:
    """Seconds after the start at which process `index` sends, ascending, through the warm-up and all stages."""
    rng = np.random.default_rng([config.seed, index])
    end_s = 0.0
    for i, stage in enumerate(config.stages):
        start_s, end_s = end_s, end_s + stage.seconds + (config.warmup_s if i == 0 else 0.0)
        gap_s = config.processes / stage.rate
        if config.arrivals == "constant":
            number = int(np.ceil(round((end_s - start_s) / gap_s - index / config.processes, 9)))
            yield from (start_s + (k + index / config.processes) * gap_s for k in range(number))
        else:
            yield from _poisson(rng, start_s, end_s, gap_s)


def _poisson(rng: np.random.Generator, start_s: float, end_s: float, gap_s: float) -> Iterator[float]:
    now_s = start_s
    while True:
        for moment_s in now_s + np.cumsum(rng.exponential(gap_s, BLOCK)):
            if moment_s >= end_s:
                return
            now_s = float(moment_s)
            yield now_s
