"""Runs `encoder.onnx` over tables. Each column's part of the graph is run on its distinct values only.

Advertising columns repeat themselves: looking a string up once a chunk instead of once a row gives the same ids (the
same nodes compute them) for a fraction of the time.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import polars as pl
import pyarrow as pa
from onnx.utils import Extractor

from contracts.request import numbers, strings
from stages.features.graph import CREATIVE_IDX, of_inner

VECTOR_ROWS = 64  # more than any processor's vector of float32 holds, and a multiple of each


@dataclass(frozen=True, kw_only=True)
class Encoded:
    """Arrays of one chunk: what the ranker takes."""

    cat_idx: np.ndarray  # int64 [N, F]
    num_feats: np.ndarray  # float32 [N, M]
    creative_idx: np.ndarray | None  # int64 [N], 0 = no image known; None if the data set has no images


class Encoder:
    """`encoder.onnx`, ready to encode chunks of clean rows."""

    def __init__(self, path: Path, num_threads: int = 1) -> None:
        model = onnx.load(path)
        self._threads = num_threads
        self.num_fields, self.num_dense = (output.type.tensor_type.shape.dim[1].dim_value for output in model.graph.output[:2])
        self.has_creatives = any(output.name == CREATIVE_IDX for output in model.graph.output)
        kinds = {i.name: i.type.tensor_type.elem_type for i in model.graph.input}
        self.inputs = list(kinds)
        self._numeric = [name for name, kind in kinds.items() if kind == onnx.TensorProto.FLOAT]
        self._ids = _field_outputs(model)
        extractor = Extractor(model)
        self._lookups = {
            output: (column, self._session(extractor.extract_model([column], [output])))
            for column, output in _string_outputs(model, kinds)
        }
        buckets = [output for column, output in self._ids if column in self._numeric]
        self._numbers = None
        if self._numeric:
            self._numbers = self._session(extractor.extract_model(self._numeric, [*buckets, "num_feats"]))

    def encode(self, rows: pl.DataFrame) -> Encoded:
        """Ids and floats of clean rows (declared dtypes; missing is null)."""
        encoded: dict[str, np.ndarray] = {}
        for output, (column, session) in self._lookups.items():
            encoded[output] = _by_distinct(session, column, output, strings(rows[column]))
        if self._numbers is not None:
            names = [output.name for output in self._numbers.get_outputs()]
            feed = {name: _padded(numbers(rows[name]).to_numpy()) for name in self._numeric}
            found = [values[: len(rows)] for values in self._numbers.run(None, feed)]
            encoded.update(zip(names, found, strict=True))
        cat_idx = np.empty((len(rows), self.num_fields), dtype=np.int64)
        for i, (_, output) in enumerate(self._ids):
            cat_idx[:, i] = encoded[output]
        num_feats = encoded.get("num_feats", np.empty((len(rows), 0), dtype=np.float32))
        return Encoded(cat_idx=cat_idx, num_feats=num_feats, creative_idx=encoded.get(CREATIVE_IDX))

    def creative_rows(self, ids: pl.Series) -> np.ndarray:
        """Rows int64 [n] of creatives in the image table, 0 for those without one."""
        column, session = self._lookups[CREATIVE_IDX]
        return _by_distinct(session, column, CREATIVE_IDX, strings(ids))

    def _session(self, model: onnx.ModelProto) -> ort.InferenceSession:
        options = ort.SessionOptions()
        options.intra_op_num_threads = self._threads
        options.log_severity_level = 3
        return ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def _padded(values: np.ndarray) -> np.ndarray:
    """The values and as many NaN as fill the last vector: Log rounds what is left over at the end another way."""
    return np.concatenate([values, np.full(-len(values) % VECTOR_ROWS, np.nan, dtype=np.float32)])


def _field_outputs(model: onnx.ModelProto) -> list[tuple[str, str]]:
    """Column and inner value of every column of cat_idx, in order."""
    concat = next((node for node in model.graph.node if list(node.output) == ["cat_idx"]), None)
    wide = [] if concat is None or concat.op_type != "Concat" else [of_inner(name, "wide") for name in concat.input]
    return [(of_inner(name, "id"), name) for name in wide]


def _string_outputs(model: onnx.ModelProto, kinds: dict[str, int]) -> list[tuple[str, str]]:
    """Column and output of every look-up of a string."""
    return [
        (node.input[0], node.output[0])
        for node in model.graph.node
        if node.op_type == "LabelEncoder" and kinds.get(node.input[0]) == onnx.TensorProto.STRING
    ]


def _by_distinct(session: ort.InferenceSession, column: str, output: str, values: pl.Series) -> np.ndarray:
    coded = values.to_arrow(compat_level=pl.CompatLevel.oldest()).dictionary_encode()
    distinct = coded.dictionary.to_numpy(zero_copy_only=False)
    ids = session.run([output], {column: distinct})[0] if len(distinct) else np.empty(0, dtype=np.int64)
    return ids[coded.indices.cast(pa.int64()).to_numpy()]
