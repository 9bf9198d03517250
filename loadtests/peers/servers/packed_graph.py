"""The same model as the served model itself runs it: `ctr_packed.onnx` takes all strings of a call as one text.

Runs in the peers' own environments. Shape letters: N rows, M numeric columns.
"""

import json
import os
from pathlib import Path

import numpy as np

from contracts.local_libraries import onnx_runtime
from loadtests.peers.servers.fused_graph import SETTINGS
from loadtests.peers.servers.raw_layout import COUNT_BYTES


class PackedGraph:
    """The graph that is spared one Python object a string; its text is that of `contracts.serving.packed_text`."""

    def __init__(self, settings: Path) -> None:
        described = json.loads(settings.read_text(encoding="utf-8"))
        self.num_numeric = len(described["numeric"])
        ort = onnx_runtime()
        options = ort.SessionOptions()
        options.intra_op_num_threads = 1
        options.log_severity_level = 3
        self._session = ort.InferenceSession(described["packed"], options, providers=["CPUExecutionProvider"])
        self._inputs = {value.name for value in self._session.get_inputs()}
        self.separator = self._session.get_modelmeta().custom_metadata_map["separator"]

    @classmethod
    def of_environment(cls) -> "PackedGraph":
        return cls(Path(os.environ[SETTINGS]))

    def feed(self, text: str, numeric_NM: np.ndarray) -> dict[str, np.ndarray]:
        """What the session takes."""
        feed = {"text": np.array([text], dtype=object), "numeric": numeric_NM}
        return {name: value for name, value in feed.items() if name in self._inputs}

    def run(self, feed: dict[str, np.ndarray]) -> np.ndarray:
        """float32 [N], the probability of a click."""
        return self._session.run(["p_click"], feed)[0]

    def read(self, body: bytes) -> tuple[str, np.ndarray]:
        """Text and numbers float32 [N, M] of a request, as `wire_formats.packed` puts them together."""
        num_rows = int.from_bytes(body[:COUNT_BYTES], "little")
        end = COUNT_BYTES + 4 * self.num_numeric * num_rows
        numeric_NM = np.frombuffer(body, "<f4", self.num_numeric * num_rows, COUNT_BYTES).reshape(num_rows, self.num_numeric)
        return body[end:].decode(), numeric_NM

    def predict(self, text: str, numeric_NM: np.ndarray) -> np.ndarray:
        return self.run(self.feed(text, numeric_NM))
