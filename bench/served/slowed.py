"""Copies of an exported model for `make bench-gate`: one that is the same but for its digest, one that computes more.

What is added is real work on the way to the answer: layers of a made-up network on each row's probability, whose output, times
zero, is added to it. So the answers keep their bits, and ONNX Runtime can leave nothing out.
"""

import shutil
from pathlib import Path

import numpy as np
import onnx
from onnx import helper, numpy_helper

from stages.files import read_json, sha256_file, write_json

GRAPH, OUTPUT = "ctr_packed.onnx", "p_click"
WIDTH = 64  # of each added layer
MODELS = ("ctr", "ctr_careful")  # that hold the graph, below the repository's folder


def copy_model(project: Path, folder: Path, note: str, layers: int = 0) -> None:
    """`export` and `repository/embedded` of the project in `folder`, made anew; `note` makes the digest another one."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(project / "artifacts/export", folder / "export")
    shutil.copytree(project / "artifacts/repository/embedded", folder / "repository/embedded")
    manifest = folder / "export/manifest.json"
    write_json(manifest, read_json(manifest) | {"note": note})
    for version in (folder / "repository/embedded" / model / "1" for model in MODELS):
        if not version.is_dir():
            continue
        shutil.copyfile(manifest, version / manifest.name)
        if layers:
            onnx.save(slowed(onnx.load(version / GRAPH), layers), version / GRAPH)
        package = read_json(version / "package.json")
        for name in (GRAPH, manifest.name):
            package["files"][name] = sha256_file(version / name)
        write_json(version / "package.json", package)


def slowed(model: onnx.ModelProto, layers: int) -> onnx.ModelProto:
    """The model with as many layers of WIDTH more between its probability [N] and its output, changed in place."""
    graph, rng = model.graph, np.random.default_rng(0)
    last = next(node for node in graph.node if OUTPUT in node.output)
    last.output[list(last.output).index(OUTPUT)] = "/slow/first"

    def constant(name: str, values: np.ndarray) -> str:
        graph.initializer.append(numpy_helper.from_array(values, f"/slow/{name}"))
        return f"/slow/{name}"

    def add(kind: str, inputs: list[str], output: str, **attributes: object) -> str:
        graph.node.append(helper.make_node(kind, inputs, [output], name=output, **attributes))
        return output

    weight = constant("weight", (rng.normal(size=(WIDTH, WIDTH)) / np.sqrt(WIDTH)).astype(np.float32))
    column = add("Unsqueeze", ["/slow/first", constant("axis", np.array([1]))], "/slow/column")
    hidden = add("MatMul", [column, constant("widen", np.ones((1, WIDTH), dtype=np.float32))], "/slow/wide")
    for layer in range(layers):
        product = add("MatMul", [hidden, weight], f"/slow/product_{layer}")
        hidden = add("Tanh", [product], f"/slow/layer_{layer}")
    mean = add("ReduceMean", [hidden, "/slow/axis"], "/slow/mean", keepdims=0)
    nothing = add("Mul", [mean, constant("zero", np.zeros(1, dtype=np.float32))], "/slow/nothing")
    add("Add", ["/slow/first", nothing], OUTPUT)
    onnx.checker.check_model(model)
    return model
