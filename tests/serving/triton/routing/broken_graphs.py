"""Served graphs that go wrong in a way of their own, in place of the `ctr_packed.onnx` of a version folder."""

from pathlib import Path

import numpy as np
import onnx
from onnx import helper, numpy_helper

from tests.serving.served.slow_graph import slow_down
from tests.serving.served_world import replace_file

FOR_EVER = 10**12  # rounds


def make_graph_answer(version: Path, answer: float) -> None:
    """Let `ctr_packed.onnx` say this to every row."""
    model = onnx.load(version / "ctr_packed.onnx")
    graph, name = model.graph, _renamed(model, "true_p_click")
    values = {"of_none": np.array(0, np.float32), "said": np.array(answer, np.float32)}
    graph.initializer.extend(numpy_helper.from_array(value, name) for name, value in values.items())
    graph.node.append(helper.make_node("Mul", [name, "of_none"], ["nothing"]))
    graph.node.append(helper.make_node("Add", ["nothing", "said"], ["p_click"]))
    replace_file(version, "ctr_packed.onnx", model.SerializeToString())


def make_graph_fail(version: Path) -> None:
    """Let a call of as many rows as three divides fail; others, among them those by which a release is tried, go well."""
    model = onnx.load(version / "ctr_packed.onnx")
    name = _renamed(model, "true_p_click")
    _is_three(model, name)
    values = {"one_zero": np.zeros(1, np.float32), "five": np.array([5])}
    model.graph.initializer.extend(numpy_helper.from_array(value, key) for key, value in values.items())
    model.graph.node.extend([
        helper.make_node("Mul", ["three", "five"], ["beyond"]),
        helper.make_node("Gather", ["one_zero", "beyond"], ["zero"]),
        helper.make_node("Add", [name, "zero"], ["p_click"]),
    ])  # fmt: skip
    replace_file(version, "ctr_packed.onnx", model.SerializeToString())


def make_graph_hang(version: Path) -> None:
    """Let such a call never end."""
    slow_down(version, 0)
    model = onnx.load(version / "ctr_packed.onnx")
    graph = model.graph
    kept = [value for value in graph.initializer if value.name != "slow_rounds"]
    del graph.initializer[:]
    graph.initializer.extend([*kept, numpy_helper.from_array(np.array([FOR_EVER]), "for_ever")])
    graph.initializer.append(numpy_helper.from_array(np.array([], np.int64), "scalar"))
    loop = next(i for i, node in enumerate(graph.node) if node.op_type == "Loop")
    added = len(graph.node)
    _is_three(model, "quick_p_click")
    graph.node.extend([
        helper.make_node("Mul", ["three", "for_ever"], ["slow_rounds_1"]),
        helper.make_node("Reshape", ["slow_rounds_1", "scalar"], ["slow_rounds"]),
    ])  # fmt: skip
    nodes = [*graph.node[:loop], *graph.node[added:], *graph.node[loop:added]]
    copies = [onnx.NodeProto.FromString(node.SerializeToString()) for node in nodes]
    del graph.node[:]
    graph.node.extend(copies)
    replace_file(version, "ctr_packed.onnx", model.SerializeToString())


def _renamed(model: onnx.ModelProto, name: str) -> str:
    node = next(node for node in model.graph.node if "p_click" in node.output)
    node.output[list(node.output).index("p_click")] = name
    return name


def _is_three(model: onnx.ModelProto, rows: str) -> None:
    """Value `three`, int64 [1]: 1 if three divides the number of rows, else 0."""
    values = {"by_three": np.array([3]), "none": np.array([0])}
    model.graph.initializer.extend(numpy_helper.from_array(value, name) for name, value in values.items())
    model.graph.node.extend([
        helper.make_node("Shape", [rows], ["num_rows"]),
        helper.make_node("Mod", ["num_rows", "by_three"], ["left_over"]),
        helper.make_node("Equal", ["left_over", "none"], ["is_three"]),
        helper.make_node("Cast", ["is_three"], ["three"], to=onnx.TensorProto.INT64),
    ])  # fmt: skip
