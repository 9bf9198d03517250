"""The container packaging made runnable without NVIDIA's image: its `onnxruntime` models become Python models that run
the same file with ONNX Runtime. Ensemble, calls between models, names, shapes and versions stay what they are.
"""

import json
import shutil
from pathlib import Path

from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2 as triton

from stages.files import sha256_file

STAND_IN = '''"""Stands in for Triton's onnxruntime backend: the tensors of a request, as they are, into model.onnx."""

import json
from pathlib import Path

import numpy as np
import onnxruntime as ort
import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    def initialize(self, args):
        folder = Path(args["model_repository"]) / args["model_version"]
        options = ort.SessionOptions()
        options.intra_op_num_threads = 1
        self.session = ort.InferenceSession(str(folder / "model.onnx"), options, providers=["CPUExecutionProvider"])
        self.outputs = [output["name"] for output in json.loads(args["model_config"])["output"]]

    def execute(self, requests):
        return [self.answer({tensor.name(): tensor.as_numpy() for tensor in request.inputs()}) for request in requests]

    def answer(self, feed):
        for name, values in feed.items():
            if values.dtype == object:
                feed[name] = np.array([value.decode() for value in values], dtype=object)
        found = self.session.run(self.outputs, feed)
        return pb_utils.InferenceResponse([pb_utils.Tensor(*pair) for pair in zip(self.outputs, found)])
'''


def read_config(path: Path) -> triton.ModelConfig:
    return text_format.Parse(path.read_text(), triton.ModelConfig())


def configs(repository: Path) -> dict[str, triton.ModelConfig]:
    """What a repository's `config.pbtxt` files say, by model."""
    return {path.parent.name: read_config(path) for path in sorted(repository.glob("*/config.pbtxt"))}


def with_stand_ins(container: Path, folder: Path) -> Path:
    """A copy of the container packaging in `folder` that the embedded server can run."""
    shutil.copytree(container, folder)
    for name, config in configs(folder).items():
        if config.backend == "onnxruntime":
            version = folder / name / "1"
            config.backend, config.default_model_filename = "python", ""
            config.ClearField("optimization")
            config.instance_group[0].kind = triton.ModelInstanceGroup.KIND_CPU
            for path in (folder / name / "config.pbtxt", version / "release" / "config.pbtxt"):
                path.write_text(text_format.MessageToString(config))
            write_stand_in(version, STAND_IN)
    return folder


def write_stand_in(version: Path, code: str) -> None:
    """Make `code` the model of a version folder, and list the folder's files anew."""
    (version / "model.py").write_text(code)
    inside = [path for path in version.rglob("*") if path.is_file() and path.name != "package.json"]
    files = {path.relative_to(version).as_posix(): sha256_file(path) for path in sorted(inside)}
    (version / "package.json").write_text(json.dumps({"files": files}))
