"""The exported model as every peer runs it: `ctr.onnx` on one thread, raw strings and numbers in, p_click out.

Runs in the peers' own environments, so it needs no more than numpy and ONNX Runtime. The environment variable
ADCLICK_COMPARE names a JSON file with the graph's path and the columns of a request, in order.

Shape letters: N rows, C categorical columns, M numeric columns.
"""

import json
import os
from pathlib import Path

import numpy as np

from contracts.local_libraries import onnx_runtime

SETTINGS = "ADCLICK_COMPARE"


class FusedGraph:
    """The model and the order of the columns it is asked with."""

    def __init__(self, settings: Path) -> None:
        described = json.loads(settings.read_text(encoding="utf-8"))
        self.categorical: list[str] = described["categorical"]
        self.numeric: list[str] = described["numeric"]
        ort = onnx_runtime()
        options = ort.SessionOptions()
        options.intra_op_num_threads = 1
        options.log_severity_level = 3  # creative_emb has a default on purpose; ORT warns of it at every start
        self._session = ort.InferenceSession(described["graph"], options, providers=["CPUExecutionProvider"])
        used = {value.name for value in self._session.get_inputs()}
        self._texts = [(i, name) for i, name in enumerate(self.categorical) if name in used]
        self._numbers = [(i, name) for i, name in enumerate(self.numeric) if name in used]

    @classmethod
    def of_environment(cls) -> "FusedGraph":
        return cls(Path(os.environ[SETTINGS]))

    def feed(self, categorical_CN: np.ndarray, numeric_MN: np.ndarray) -> dict[str, np.ndarray]:
        """What the session takes: one array [N] a column. Strings are object arrays of str, numbers float32."""
        texts = {name: categorical_CN[i] for i, name in self._texts}
        return texts | {name: numeric_MN[i] for i, name in self._numbers}

    def run(self, feed: dict[str, np.ndarray]) -> np.ndarray:
        """float32 [N], the probability of a click."""
        return self._session.run(["p_click"], feed)[0]

    def predict(self, categorical_CN: np.ndarray, numeric_MN: np.ndarray) -> np.ndarray:
        """float32 [N] of columns that are rows of contiguous arrays."""
        return self.run(self.feed(categorical_CN, numeric_MN))

    def predict_rows(self, categorical: list[list[str]], numeric: list[list[float | None]]) -> np.ndarray:
        """float32 [N] of rows as JSON brings them; None is a missing number."""
        categorical_CN = np.ascontiguousarray(np.array(categorical, dtype=object).T)
        numeric_MN = np.ascontiguousarray(np.array(numeric, dtype=np.float32).T)
        return self.predict(categorical_CN, numeric_MN)
