#!/usr/bin/env bash
# onnxruntime 1.31.1 on a CPU: Log of a float32 depends on where in the tensor the value stands. What is left over at the end of a
# vector is rounded another way, so a row gives other last bits alone than in a batch. Of float64, rounded to float32, it does not.
# Writes to memory alone, and needs no network once the packages are installed. Exits with 1 if anything of this has changed.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${PYTHON:-python3}" -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check onnxruntime==1.31.1 onnx==1.23.0 numpy==2.4.6
ORT_DISABLE_TELEMETRY=1 "$work/venv/bin/python" - <<'PYTHON'
import platform
import sys

import numpy as np
import onnxruntime as ort
from onnx import TensorProto, helper

print("onnxruntime", ort.__version__, "on", platform.system(), platform.machine())
VALUES = np.random.default_rng(1).lognormal(6, 2, 4096).astype(np.float32)


def session(*steps):
    """Of a graph of float32 x to float32 y, whose steps are (operator, attributes)."""
    names = ["x", *(f"t{i}" for i in range(len(steps) - 1)), "y"]
    nodes = [helper.make_node(op, [a], [b], **more) for (op, more), a, b in zip(steps, names, names[1:])]
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, [None]) for name in "xy")
    model = helper.make_model(helper.make_graph(nodes, "g", [x], [y]), opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 8
    return ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])


def differing(found):
    """Values whose result alone is not the one among all."""
    together = found.run(None, {"x": VALUES})[0]
    alone = np.concatenate([found.run(None, {"x": VALUES[i : i + 1]})[0] for i in range(len(VALUES))])
    return int((together != alone).sum())


wide, narrow = ("Cast", {"to": TensorProto.DOUBLE}), ("Cast", {"to": TensorProto.FLOAT})
plain, exact = differing(session(("Log", {}))), differing(session(wide, ("Log", {}), narrow))
print(f"Log of float32: expected some of {len(VALUES)} to differ, seen {plain}")
print(f"Log of float64, rounded to float32: expected none, seen {exact}")
sys.exit(not (plain > 0 and exact == 0))
PYTHON
