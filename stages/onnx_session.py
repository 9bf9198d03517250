"""An exported graph, opened as all do that score by it or compare it."""

from pathlib import Path
from typing import TYPE_CHECKING

from contracts.local_libraries import onnx_runtime

if TYPE_CHECKING:
    import onnxruntime as ort


def open_session(path: Path) -> "ort.InferenceSession":
    """The graph on one thread, without ORT's warning that creative_emb has a default that may be overridden."""
    ort = onnx_runtime()
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    return ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
