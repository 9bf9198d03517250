"""Challengers made of an exported repository by surgery on its graph: one that is as good as the champion, and broken ones.

All are real releases: what the server loads, hashes and runs. Shape letters: N rows.
"""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from contracts.files import sha256_file
from contracts.serving.releases import EXPORTED_VERSION, MANIFEST

GRAPH, P_CLICK, BEFORE = "ctr_packed.onnx", "p_click", "p_click__before"
SIDE = 64  # of the matrix that is multiplied to lose time
FOR_EVER = 2**62
Surgery = Callable[[ModelProto], list[NodeProto]]


def scaled(factor: float) -> Surgery:
    """Its probabilities, `factor` times as large."""
    return lambda model: [_node("Mul", [BEFORE, _float(model, "factor", factor)], P_CLICK)]


def constant(value: float) -> Surgery:
    """The same probability for every row."""

    def operate(model: ModelProto) -> list[NodeProto]:
        nothing = _node("Mul", [BEFORE, _float(model, "zero", 0.0)], "nothing")
        return [nothing, _node("Add", ["nothing", _float(model, "value", value)], P_CLICK)]

    return operate


def not_finite() -> Surgery:
    return scaled(float("nan"))


def failing() -> Surgery:
    """Every call whose rows differ ends with an error: it looks up what is not there. Warm-up requests do not."""

    def operate(model: ModelProto) -> list[NodeProto]:
        return [
            _node("ReduceMax", [BEFORE], "highest", keepdims=0),
            _node("ReduceMin", [BEFORE], "lowest", keepdims=0),
            _node("Sub", ["highest", "lowest"], "apart"),
            _node("Sign", ["apart"], "differ"),
            _node("Mul", ["differ", _float(model, "five", 5.0)], "far_float"),
            _node("Cast", ["far_float"], "far", to=TensorProto.INT64),
            _node("Gather", [_float(model, "table", [0.0]), "far"], "nothing"),
            _node("Add", [BEFORE, "nothing"], P_CLICK),
        ]

    return operate


def slow(steps: int) -> Surgery:
    """The same probabilities, after so many products of matrices, a few microseconds each."""
    return lambda model: _busy(model, steps)


def hanging() -> Surgery:
    """No answer at all to a call whose rows differ."""
    return lambda model: _busy(model, FOR_EVER, only_if_rows_differ=True)


def make_challenger(repository: Path, folder: Path, surgery: Surgery) -> Path:
    """A copy of the exported repository in `folder`, whose graph was operated on."""
    shutil.copytree(repository, folder, copy_function=shutil.copyfile)
    for path in sorted(folder.glob(f"*/{EXPORTED_VERSION}/{GRAPH}")):
        model = onnx.load(path)
        _operate(model, surgery)
        path.write_bytes(model.SerializeToString(deterministic=True))
        _list_again(path.parent, GRAPH)
    return folder


def _operate(model: ModelProto, surgery: Surgery) -> None:
    for node in model.graph.node:
        node.output[:] = [BEFORE if name == P_CLICK else name for name in node.output]
        node.input[:] = [BEFORE if name == P_CLICK else name for name in node.input]
    model.graph.node.extend(surgery(model))
    onnx.checker.check_model(model)


def _list_again(folder: Path, name: str) -> None:
    manifest = json.loads((folder / MANIFEST).read_text())
    manifest["files"][name] = sha256_file(folder / name)
    (folder / MANIFEST).write_text(json.dumps(manifest, indent=1, sort_keys=True))


def _busy(model: ModelProto, steps: int, only_if_rows_differ: bool = False) -> list[NodeProto]:
    """Nodes that carry a matrix around a loop; it depends on the rows, so that nothing can be computed beforehand."""
    state = helper.make_tensor_value_info("state_in", TensorProto.FLOAT, [SIDE, SIDE])
    body = helper.make_graph(
        [
            _node("MatMul", ["state_in", "orthogonal"], "state_out"),
            _node("Identity", ["goes_on_in"], "goes_on_out"),
        ],
        "busy",
        [
            helper.make_tensor_value_info("step", TensorProto.INT64, []),
            helper.make_tensor_value_info("goes_on_in", TensorProto.BOOL, []),
            state,
        ],
        [
            helper.make_tensor_value_info("goes_on_out", TensorProto.BOOL, []),
            helper.make_tensor_value_info("state_out", TensorProto.FLOAT, [SIDE, SIDE]),
        ],
    )
    _initial(model, "orthogonal", np.eye(SIDE, dtype=np.float32)[::-1].copy())
    _initial(model, "most_steps", np.array(steps, dtype=np.int64))
    _initial(model, "goes_on", np.array(True))
    zero = _float(model, "zero", 0.0)
    differ = [
        _node("ReduceMax", [BEFORE], "highest", keepdims=0),
        _node("ReduceMin", [BEFORE], "lowest", keepdims=0),
        _node("Sub", ["highest", "lowest"], "apart"),
        _node("Sign", ["apart"], "differ_float"),
        _node("Cast", ["differ_float"], "differ", to=TensorProto.INT64),
        _node("Mul", ["differ", "most_steps"], "steps"),
    ]
    return [
        *(differ if only_if_rows_differ else [_node("Identity", ["most_steps"], "steps")]),
        _node("ReduceMean", [BEFORE], "mean", keepdims=0),
        _node("Mul", ["mean", zero], "none"),
        _node("Add", ["none", "orthogonal"], "state"),
        helper.make_node("Loop", ["steps", "goes_on", "state"], ["last"], body=body),
        _node("ReduceMean", ["last"], "last_mean", keepdims=0),
        _node("Mul", ["last_mean", zero], "nothing"),
        _node("Add", [BEFORE, "nothing"], P_CLICK),
    ]


def _node(kind: str, inputs: list[str], output: str, **attributes: int) -> NodeProto:
    return helper.make_node(kind, inputs, [output], **attributes)


def _float(model: ModelProto, name: str, value: float | list[float]) -> str:
    return _initial(model, f"surgery_{name}", np.array(value, dtype=np.float32))


def _initial(model: ModelProto, name: str, value: np.ndarray) -> str:
    if name not in {known.name for known in model.graph.initializer}:
        model.graph.initializer.append(numpy_helper.from_array(value, name))
    return name
