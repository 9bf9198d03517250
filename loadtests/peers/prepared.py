"""Everything that is sent, made before anything is measured: rows of the test split as bodies of every format."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from loadtests.peers.contenders import ROOT, Door
from loadtests.peers.graph_alone import write_rows
from loadtests.peers.servers.fused_graph import FusedGraph
from loadtests.peers.wire_formats import Bodies, Body
from loadtests.perf_analyzer.input import Requests, requests_of
from loadtests.requests.traffic import Payload, TrafficRows

GRAPH, PACKED_GRAPH = Path("artifacts/export/ctr.onnx"), Path("artifacts/export/ctr_packed.onnx")
NUM_BODIES = 256  # different requests of each size
CHECKED_ROWS = (1, 7, 64)  # a request


@dataclass
class PreparedBodies:
    """Requests, the probabilities that some of them must give, and the files that servers and generators read."""

    folder: Path  # of this run's files
    settings: Path  # the graph and its columns, for FusedGraph
    rows_path: Path
    expected: list[np.ndarray]  # float32 [N] of each checked request
    _checked: list[Payload]
    _payloads: dict[int, list[Payload]]  # by rows a request
    _traffic: TrafficRows
    _made: dict[tuple[Bodies, int], list[Body]] = field(default_factory=dict)

    def checks(self, door: Door) -> list[Body]:
        return [door.body(payload, self._traffic.spec.digest) for payload in self._checked]

    def bodies(self, door: Door, rows: int) -> list[Body]:
        key = (door.body, rows)
        if key not in self._made:
            self._made[key] = [door.body(payload, self._traffic.spec.digest) for payload in self._payloads[rows]]
        return self._made[key]

    def requests(self, rows: int) -> Requests:
        """The test split's rows for perf_analyzer."""
        return requests_of(self._traffic, rows, NUM_BODIES)


def prepare(traffic: TrafficRows, row_counts: Sequence[int], folder: Path, seed: int = 0, root: Path = ROOT) -> PreparedBodies:
    """Draw the requests and write what others read into `folder`. Raises ValueError if the peers cannot take such requests."""
    if traffic.categorical_NC is None or traffic.numeric_NM is None:
        raise ValueError("the comparison sends categorical and numeric columns; this declaration has only one kind of them")
    if traffic.spec.lists:
        raise ValueError(f"the comparison sends one value a cell, and column '{traffic.spec.lists[0].name}' may hold several")
    if not (root / GRAPH).is_file():
        raise ValueError(f"{GRAPH} is missing; run `make repro` first")
    settings, rows_path = folder / "compare.json", folder / "rows.json"
    described = {
        "graph": str(root / GRAPH),
        "packed": str(root / PACKED_GRAPH),
        "categorical": [column.name for column in traffic.spec.categorical],
        "numeric": [column.name for column in traffic.spec.numeric],
    }
    settings.write_text(json.dumps(described), encoding="utf-8")
    write_rows(rows_path, traffic.categorical_NC, traffic.numeric_NM)
    rng = np.random.default_rng(seed)
    checked = [traffic.draw(rng, rows) for rows in CHECKED_ROWS]
    graph = FusedGraph(settings)
    return PreparedBodies(
        folder=folder,
        settings=settings,
        rows_path=rows_path,
        expected=[_probabilities(graph, payload) for payload in checked],
        _checked=checked,
        _payloads={rows: [traffic.draw(rng, rows) for _ in range(NUM_BODIES)] for rows in sorted(set(row_counts))},
        _traffic=traffic,
    )


def _probabilities(graph: FusedGraph, payload: Payload) -> np.ndarray:
    return graph.predict(np.ascontiguousarray(payload.categorical_NC.T), np.ascontiguousarray(payload.numeric_NM.T))
