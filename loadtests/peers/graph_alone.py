"""The limit: the same graph without any server, in two processes of one thread each.

`python -m loadtests.peers.graph_alone SETTINGS ARRAYS ROWS GRAPH` says `ready`, waits for a line with the seconds on its standard
input, calls the graph as often as it can with ROWS rows a call and prints one line of JSON.
"""

import json
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from contracts.serving.packed_text import text_of
from loadtests.peers.servers.fused_graph import FusedGraph
from loadtests.peers.servers.packed_graph import PackedGraph

PROCESSES = 2
FUSED, PACKED = "fused", "packed"  # ctr.onnx, ctr_packed.onnx
WARM_UP_FRAC = 0.25  # of the measured time, before it
START_TIMEOUT_S = 60.0


@dataclass(frozen=True, kw_only=True)
class Calls:
    """What a process, or several at the same time, has done."""

    rows: int
    seconds: float
    cpu_s: float

    @property
    def rows_per_s(self) -> float:
        return self.rows / self.seconds


def call_for(run: Callable[[int], int], seconds: float, clock: Callable[[], float] = time.perf_counter) -> tuple[int, float]:
    """Call `run` with 0, 1, ... until `seconds` are over. Returns the sum of the rows it says it did, and the time taken."""
    rows, number, started = 0, 0, clock()
    while (taken := clock() - started) < seconds:
        rows += run(number)
        number += 1
    return rows, taken


def together(parts: list[Calls]) -> Calls:
    """Processes that ran at the same time, as one; each did its rows at its own pace."""
    seconds = max(part.seconds for part in parts)
    rows = round(sum(part.rows_per_s for part in parts) * seconds)
    return Calls(rows=rows, seconds=seconds, cpu_s=sum(part.cpu_s for part in parts))


def write_rows(path: Path, categorical_NC: np.ndarray, numeric_NM: np.ndarray) -> None:
    """The rows for the processes, as JSON; a missing number is null."""
    numbers = np.where(np.isnan(numeric_NM), None, numeric_NM.astype(object)).tolist()
    path.write_text(json.dumps({"categorical": categorical_NC.tolist(), "numeric": numbers}), encoding="utf-8")


def measure_in_process(settings: Path, rows_path: Path, num_rows: int, seconds: float, cwd: Path, graph: str = FUSED) -> Calls:
    """PROCESSES processes at the same time, `num_rows` rows a call; `graph` is FUSED or PACKED."""
    command = [sys.executable, "-m", "loadtests.peers.graph_alone", str(settings), str(rows_path), str(num_rows), graph]
    with ExitStack() as stack:
        running = [stack.enter_context(_Child(command, cwd)) for _ in range(PROCESSES)]
        for child in running:
            child.expect("ready")
        for child in running:
            child.say(f"{seconds}")
        return together([Calls(**json.loads(child.finish(seconds))) for child in running])


class _Child:
    """A process that is told when to begin, and killed on the way out if it has not ended."""

    def __init__(self, command: list[str], cwd: Path) -> None:
        self._process = subprocess.Popen(
            command, cwd=cwd, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True
        )

    def __enter__(self) -> "_Child":
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        self._process.stdin.close()
        self._process.stdout.close()

    def expect(self, word: str) -> None:
        if (line := self._process.stdout.readline().strip()) != word:
            raise ValueError(f"a process that runs the graph alone said '{line}' instead of '{word}' and cannot be measured")

    def say(self, line: str) -> None:
        self._process.stdin.write(f"{line}\n")
        self._process.stdin.flush()

    def finish(self, seconds: float) -> str:
        output, _ = self._process.communicate(timeout=2 * seconds + START_TIMEOUT_S)
        if self._process.returncode:
            raise ValueError(f"a process that runs the graph alone ended with {self._process.returncode}")
        return output


def main() -> None:
    settings, rows_path, num_rows, kind = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
    rows = json.loads(rows_path.read_text(encoding="utf-8"))
    categorical_NC = np.array(rows["categorical"], dtype=object)
    numeric_NM = np.array(rows["numeric"], dtype=np.float32)
    graph = FusedGraph(settings) if kind == FUSED else PackedGraph(settings)
    feeds = []
    for start in range(0, len(numeric_NM) - num_rows + 1, num_rows):
        texts_NC, numbers_NM = categorical_NC[start : start + num_rows], numeric_NM[start : start + num_rows]
        if kind == FUSED:
            feeds.append(graph.feed(np.ascontiguousarray(texts_NC.T), np.ascontiguousarray(numbers_NM.T)))
        else:
            feeds.append(graph.feed(text_of(texts_NC, graph.separator), numbers_NM))
    print("ready", flush=True)
    seconds = float(sys.stdin.readline())

    def run(number: int) -> int:
        return len(graph.run(feeds[number % len(feeds)]))

    call_for(run, WARM_UP_FRAC * seconds)
    cpu = time.process_time()
    done, taken = call_for(run, seconds)
    print(json.dumps({"rows": done, "seconds": taken, "cpu_s": time.process_time() - cpu}))


if __name__ == "__main__":
    main()
