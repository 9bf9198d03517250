"""serving/native's own code as a model of the simulation: compiled with `harness.c`, which stands in for Triton."""

import ctypes
import subprocess
from pathlib import Path

import numpy as np

from tests.serving.triton.waiting.scenarios import BATCH_S, BOUND, INSTANCES, REFUSAL_S, ROW_S

HERE = Path(__file__).parent
NATIVE = HERE.parents[3] / "serving/native"
DRIVEN = ("answer", "backlog", "counters", "metric", "reply", "routing/seat", "waiting")
PAGE = '# TYPE nv_inference_pending_request_count gauge\nnv_inference_pending_request_count{model="ctr",version="7"} 0\n'


def compile_harness(folder: Path) -> ctypes.CDLL:
    """The library. Raises CalledProcessError, the compiler's messages on standard error."""
    library = folder / "harness.so"
    command = ["cc", "-std=c11", "-D_GNU_SOURCE", "-O1", "-Wall", "-Wextra", "-Werror", "-Wno-unused-parameter", "-fPIC"]
    command += ["-shared", f"-I{NATIVE}", "-o", str(library), str(HERE / "harness.c")]
    for name in DRIVEN:
        source = (NATIVE / name).with_suffix(".c")
        object_file = folder / f"{Path(name).name}.o"
        clock = ["-Dclock_gettime=virtual_clock"] * (name == "reply")
        subprocess.run([*command[:9], *clock, "-c", "-o", str(object_file), str(source)], check=True)
        command.append(str(object_file))
    subprocess.run([*command, "-lpthread"], check=True)
    loaded = ctypes.CDLL(str(library))
    loaded.begin.restype = loaded.last_sentence.restype = ctypes.c_char_p
    loaded.run.restype = loaded.counted.restype = ctypes.c_double
    loaded.run.argtypes = [ctypes.c_uint32] * 3 + [ctypes.c_double] * 2
    return loaded


class NativeModel:
    """A `Model`: the backend's own batches. `begin` raises ValueError if it would not load."""

    def __init__(self, library: ctypes.CDLL, number: int, rows: int, page: str | None = PAGE) -> None:
        self._library, self._number = library, number
        self._rows = np.full(number, rows, np.uint32)
        self._costs = np.array([ROW_S, BATCH_S, REFUSAL_S])
        self._page = None if page is None else page.encode()
        rows_p, costs_p = (values.ctypes.data_as(ctypes.c_void_p) for values in (self._rows, self._costs))
        failed = library.begin(BOUND, INSTANCES, number, rows_p, costs_p, self._page)
        if failed is not None:
            raise ValueError(failed.decode())

    def run(self, instance: int, requests: range, now_s: float, waiting: int) -> tuple[float, bool]:
        end = self._library.run(instance, requests.start, len(requests), now_s, waiting)
        return end, bool(self._library.was_answered(requests.start))

    def outcomes(self) -> dict[str, np.ndarray]:
        """How often each request was answered, refused and released, uint32 [number]."""
        found = {name: np.zeros(self._number, np.uint32) for name in ("answered", "refused", "released")}
        self._library.outcomes(self._number, *(values.ctypes.data_as(ctypes.c_void_p) for values in found.values()))
        return found

    def sentence(self) -> str:
        """What the last refused request was told."""
        return self._library.last_sentence().decode()

    def counted(self) -> dict[str, float]:
        """End the model; its own counts of requests, by outcome."""
        self._library.finish()
        return {outcome: self._library.counted(outcome.encode()) for outcome in ("answered", "overloaded", "failed")}
