"""A served graph that takes its time, so that a generator on the same cores can ask for more than it can bear."""

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from tests.serving.served_world import replace_file

WIDTH = 512


def slow_down(version: Path, rounds: int) -> None:
    """Let each call of `ctr_packed.onnx` multiply its rows by a matrix so many times before it gives the same answers."""
    model = onnx.load(version / "ctr_packed.onnx")
    graph = model.graph
    node = next(node for node in graph.node if "p_click" in node.output)
    node.output[list(node.output).index("p_click")] = "quick_p_click"
    constants = {
        "slow_rounds": np.array(rounds, np.int64),
        "slow_go_on": np.array(True),
        "slow_matrix": np.eye(WIDTH, dtype=np.float32),
        "slow_ones": np.ones((1, WIDTH), np.float32),
        "slow_axis": np.array([1], np.int64),
        "slow_none": np.array(0, np.float32),
    }
    graph.initializer.extend(numpy_helper.from_array(value, name) for name, value in constants.items())
    graph.node.extend([
        helper.make_node("Unsqueeze", ["quick_p_click", "slow_axis"], ["slow_column"]),
        helper.make_node("Mul", ["slow_column", "slow_ones"], ["slow_begin"]),
        helper.make_node("Loop", ["slow_rounds", "slow_go_on", "slow_begin"], ["slow_end"], body=_body()),
        helper.make_node("ReduceMean", ["slow_end", "slow_axis"], ["slow_mean"], keepdims=0),
        helper.make_node("Mul", ["slow_mean", "slow_none"], ["slow_nothing"]),
        helper.make_node("Add", ["quick_p_click", "slow_nothing"], ["p_click"]),
    ])  # fmt: skip
    replace_file(version, "ctr_packed.onnx", model.SerializeToString())


def _body() -> onnx.GraphProto:
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [None, WIDTH]) for name in ("slow_in", "slow_out")]
    flags = [helper.make_tensor_value_info(name, TensorProto.BOOL, []) for name in ("slow_more", "slow_still")]
    turn = helper.make_tensor_value_info("slow_turn", TensorProto.INT64, [])
    nodes = [
        helper.make_node("MatMul", ["slow_in", "slow_matrix"], ["slow_out"]),
        helper.make_node("Identity", ["slow_more"], ["slow_still"]),
    ]
    return helper.make_graph(nodes, "slow", [turn, flags[0], values[0]], [flags[1], values[1]])
