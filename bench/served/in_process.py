"""The exported graph without any server: rows a second of processes with a thread each, strings in, probabilities out.

`python -m bench.served.in_process ROWS SECONDS` loads the graph, says "ready", begins at a line on standard input and prints
rows a second: several processes begin together that way.
"""

import json
import subprocess
import sys
import time

from loadtests.requests.traffic import read_traffic
from stages.onnx_session import open_session

GRAPH = "artifacts/export/ctr.onnx"
TRAFFIC_ROWS, DISTINCT, WARM_UP = 20_000, 150, 20
START_S = 60.0


def main() -> None:
    rows, seconds = int(sys.argv[1]), float(sys.argv[2])
    traffic = read_traffic(TRAFFIC_ROWS)
    session = open_session(GRAPH)
    columns = {}
    for tensor, names in ((traffic.categorical_NC, traffic.spec.categorical), (traffic.numeric_NM, traffic.spec.numeric)):
        columns |= {column.name: tensor[:, place].copy() for place, column in enumerate(names)}
    inputs = [value.name for value in session.get_inputs() if value.name in columns]  # an image's embedding has a default
    starts = [rows * i for i in range(min(DISTINCT, traffic.num_rows // rows))]
    calls = [{name: columns[name][start : start + rows] for name in inputs} for start in starts]
    for call in calls[:WARM_UP]:
        session.run(["p_click"], call)
    print("ready", flush=True)
    sys.stdin.readline()
    done, started = 0, time.perf_counter()
    while time.perf_counter() - started < seconds:
        session.run(["p_click"], calls[done % len(calls)])
        done += 1
    print(json.dumps(done * rows / (time.perf_counter() - started)), flush=True)


def rows_per_s(rows: int, seconds: float, processes: int) -> float:
    """Of all processes together, each with one thread. Raises ValueError if one does not come up or fails."""
    command = [sys.executable, "-m", "bench.served.in_process", str(rows), str(seconds)]
    started = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(processes)]
    try:
        for process in started:
            if process.stdout.readline().strip() != "ready":
                raise ValueError("the graph could not be run in process; its error stands above")
        for process in started:
            process.stdin.write("go\n")
            process.stdin.flush()
        return sum(json.loads(process.communicate(timeout=seconds + START_S)[0]) for process in started)
    finally:
        for process in started:
            if process.poll() is None:
                process.kill()
            process.wait()


if __name__ == "__main__":
    main()
