"""How busy a GPU is, by NVIDIA's management library."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

try:
    import pynvml
except ImportError:  # `make gpu-check` does without; nothing is said of how busy the GPU is then
    pynvml = None

SAMPLE_S = 0.1  # between two looks


def utilisation_is_told() -> bool:
    """Whether the library is there and says how busy GPU 0 is; it does not of a part of a GPU (MIG)."""
    if pynvml is None:
        return False
    try:
        pynvml.nvmlInit()
        pynvml.nvmlDeviceGetUtilizationRates(pynvml.nvmlDeviceGetHandleByIndex(0))
    except pynvml.NVMLError:
        return False
    return True


@contextmanager
def watched(busy: list[float]) -> Iterator[None]:
    """Adds to `busy` the mean utilisation of GPU 0, 0 to 1, from the first to the last look that finds it busy."""
    handle, seen, done = pynvml.nvmlDeviceGetHandleByIndex(0), [], threading.Event()

    def look() -> None:
        while not done.wait(SAMPLE_S):
            seen.append(pynvml.nvmlDeviceGetUtilizationRates(handle).gpu / 100)

    watcher = threading.Thread(target=look)
    watcher.start()
    try:
        yield
    finally:
        done.set()
        watcher.join()
    at_work = [i for i, share in enumerate(seen) if share > 0]
    if at_work:
        span = seen[at_work[0] : at_work[-1] + 1]
        busy.append(sum(span) / len(span))
