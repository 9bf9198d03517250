"""The exported model as one function of joined rows, in process through ONNX Runtime or as Triton models of their own.

Shape letters: N rows, F fields, M numeric columns, E creative embedding.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from contracts.local_libraries import onnx_runtime
from contracts.serving.packed_text import SEPARATORS
from serving.triton.joined_rows import JoinedRows


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What the graph says of N rows."""

    p_click_N: np.ndarray  # float32
    cat_idx_NF: np.ndarray  # int64: 0 unknown, 1 missing
    creative_idx_N: np.ndarray | None  # int64: 0 where the creative's image is not known; None without images


class OrtGraph:
    """`ctr_packed.onnx` in this process."""

    def __init__(self, path: Path, num_threads: int) -> None:
        ort = onnx_runtime()
        options = ort.SessionOptions()
        options.intra_op_num_threads = num_threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        self._session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        self._inputs = {value.name for value in self._session.get_inputs()}
        names = [output.name for output in self._session.get_outputs()]
        self._outputs = [name for name in ("p_click", "cat_idx", "creative_idx") if name in names]

    @property
    def separator(self) -> str:
        """What stands before each string of a text."""
        return self._session.get_modelmeta().custom_metadata_map["separator"]

    def run(self, rows: JoinedRows, looks_NE: np.ndarray | None) -> Answer:
        """`looks_NE` float32: embeddings that are taken where the creative is unknown; None for no images at all."""
        return self.answer(b"" if rows.text is None else rows.text.encoded, rows.numeric_NM, looks_NE)

    def answer(self, encoded: bytes, numeric_NM: np.ndarray, looks_NE: np.ndarray | None = None) -> Answer:
        """The same of the rows' text, UTF-8, and numbers."""
        feed = {}
        if "text" in self._inputs:
            feed["text"] = _one_string(encoded)
        if "numeric" in self._inputs:
            feed["numeric"] = numeric_NM
        if looks_NE is not None:
            feed["creative_emb"] = looks_NE
        found = dict(zip(self._outputs, self._session.run(self._outputs, feed), strict=True))
        return Answer(p_click_N=found["p_click"], cat_idx_NF=found["cat_idx"], creative_idx_N=found.get("creative_idx"))


def _one_string(encoded: bytes) -> np.ndarray:
    """A tensor of one string. ONNX Runtime takes numpy's bytes as they are, up to the first NUL, which it needs at the end."""
    if b"\0" in encoded:
        return np.array([encoded.decode()], dtype=object)
    return np.array([encoded], dtype=f"S{len(encoded) + 1}")


class TritonGraph:
    """The Triton ensemble of this version (encoder, then ranker), called from within Triton.

    Each version has an ensemble of its own, `ctr_graph_<version>`: Triton keeps one config for all versions of a model,
    and the config is what says which versions of encoder and ranker an ensemble calls.
    """

    OUTPUTS = ("p_click", "cat_idx", "creative_idx")
    separator = SEPARATORS[0]  # its encoder takes columns of strings; any will do to join the rows

    def __init__(
        self, version: int, categorical: list[dict[str, Any]], numeric: list[dict[str, Any]], no_image_1E: np.ndarray | None
    ) -> None:
        self._version, self._no_image_1E = version, no_image_1E
        self._strings = [(i, column["name"]) for i, column in enumerate(categorical) if column["used"]]
        self._floats = [(j, column["name"]) for j, column in enumerate(numeric) if column["used"]]

    def run(self, rows: JoinedRows, looks_NE: np.ndarray | None) -> Answer:
        tensors = {name: rows.numeric_NM[:, j, None] for j, name in self._floats}
        if self._strings:
            strings_NC = np.array(rows.text.strings(), dtype=object)
            tensors |= {name: strings_NC[:, i, None] for i, name in self._strings}
        outputs = self.OUTPUTS if self._no_image_1E is not None else self.OUTPUTS[:2]
        if self._no_image_1E is not None:
            repeated = np.repeat(self._no_image_1E, rows.num_rows, axis=0) if looks_NE is None else looks_NE
            tensors["creative_emb"] = repeated
        found = call_model(f"ctr_graph_{self._version}", self._version, tensors, outputs)
        creative_idx = found["creative_idx"][:, 0] if "creative_idx" in found else None
        return Answer(p_click_N=found["p_click"][:, 0], cat_idx_NF=found["cat_idx"], creative_idx_N=creative_idx)


class ModelFailed(RuntimeError):
    """Another Triton model did not answer; the text is its own."""


class NoOutput(ModelFailed):
    """Another Triton model answered without error and without the tensor that was asked for."""


def call_model(name: str, version: int, tensors: dict[str, np.ndarray], outputs: tuple[str, ...]) -> dict[str, np.ndarray]:
    """Outputs of another model of this server. Raises ModelFailed, and NoOutput if it lacks one of them."""
    import triton_python_backend_utils as pb_utils  # there inside Triton only; the graph itself is run elsewhere too

    response = pb_utils.InferenceRequest(
        model_name=name,
        model_version=version,
        inputs=[pb_utils.Tensor(key, np.ascontiguousarray(value)) for key, value in tensors.items()],
        requested_output_names=list(outputs),
        preferred_memory=pb_utils.PreferredMemory(pb_utils.TRITONSERVER_MEMORY_CPU, 0),
    ).exec()
    if response.has_error():
        raise ModelFailed(response.error().message())
    found = {key: pb_utils.get_output_tensor_by_name(response, key) for key in outputs}
    if None in found.values():
        raise NoOutput(f"model '{name}' gave no {', '.join(key for key in outputs if found[key] is None)}")
    return {key: tensor.as_numpy() for key, tensor in found.items()}
