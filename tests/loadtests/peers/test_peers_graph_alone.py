"""The graph alone: what is counted, and that two processes really call it."""

import json

import numpy as np
import pytest

from contracts.serving.packed_text import text_of
from loadtests.peers.graph_alone import FUSED, PACKED, Calls, call_for, measure_in_process, together
from loadtests.peers.prepared import prepare
from loadtests.peers.servers.fused_graph import FusedGraph
from loadtests.peers.servers.packed_graph import PackedGraph
from loadtests.requests.traffic import read_traffic
from tests.project.imports import ROOT


def test_rows_are_counted_until_the_time_is_over() -> None:
    times = iter([10.0, 10.0, 10.4, 10.8, 11.1])
    numbers: list[int] = []
    rows, taken = call_for(lambda number: numbers.append(number) or 16, 1.0, lambda: next(times))
    assert (rows, numbers) == (48, [0, 1, 2]) and taken == pytest.approx(1.1)


def test_processes_together_do_the_sum_of_their_paces() -> None:
    both = together([Calls(rows=1000, seconds=1.0, cpu_s=0.9), Calls(rows=3000, seconds=2.0, cpu_s=1.8)])
    assert both == Calls(rows=5000, seconds=2.0, cpu_s=2.7)
    assert both.rows_per_s == 2500.0


@pytest.mark.parametrize("graph", [FUSED, PACKED])
def test_two_processes_run_the_graph(exported, tmp_path, graph: str) -> None:
    prepared = prepare(read_traffic(200, exported), [16], tmp_path, root=exported)
    found = measure_in_process(prepared.settings, prepared.rows_path, 16, 0.3, ROOT, graph)
    assert found.rows >= 2 * 16 and 0.3 <= found.seconds < 30
    assert 0 < found.cpu_s <= 2 * found.seconds + 0.1


def test_a_process_that_does_not_begin_is_an_error(tmp_path) -> None:
    with pytest.raises(ValueError, match="instead of 'ready'"):
        measure_in_process(tmp_path / "missing.json", tmp_path / "missing.json", 1, 0.1, ROOT)


def test_requests_are_drawn_anew_but_the_same_for_everyone(exported, tmp_path) -> None:
    traffic = read_traffic(200, exported)
    one, two = (prepare(traffic, [1, 16], tmp_path, root=exported) for _ in range(2))
    rows = [payload.rows_N.tolist() for payload in one._payloads[16]]
    assert rows == [payload.rows_N.tolist() for payload in two._payloads[16]]
    assert len(rows) == 256 and len({tuple(places) for places in rows}) > 50


def test_the_graph_answers_rows_as_json_brings_them_as_it_answers_columns(exported, tmp_path) -> None:
    prepared = prepare(read_traffic(200, exported), [1], tmp_path, root=exported)
    graph, rows = FusedGraph(prepared.settings), json.loads(prepared.rows_path.read_text())
    columns = graph.predict(
        np.ascontiguousarray(np.array(rows["categorical"], dtype=object).T),
        np.ascontiguousarray(np.array(rows["numeric"], dtype=np.float32).T),
    )
    np.testing.assert_array_equal(graph.predict_rows(rows["categorical"], rows["numeric"]), columns)
    assert columns.shape == (200,) and columns.min() > 0 and columns.max() < 1


def test_the_packed_graph_answers_its_text_as_the_graph_answers_columns(exported, tmp_path) -> None:
    traffic = read_traffic(200, exported)
    prepared = prepare(traffic, [1], tmp_path, root=exported)
    packed, fused = PackedGraph(prepared.settings), FusedGraph(prepared.settings)
    columns = (np.ascontiguousarray(values.T) for values in (traffic.categorical_NC, traffic.numeric_NM))
    found = packed.predict(text_of(traffic.categorical_NC, packed.separator), traffic.numeric_NM)
    np.testing.assert_allclose(found, fused.predict(*columns), rtol=0, atol=1e-6)
