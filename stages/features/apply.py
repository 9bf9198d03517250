"""Runs `encoder.onnx` over tables. Each column's part of the graph is run on its distinct values only; what it computes of
several columns, on all rows.

Advertising columns repeat themselves: looking a string up once a chunk instead of once a row gives the same ids (the
same nodes compute them) for a fraction of the time.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import onnx
import polars as pl
import pyarrow as pa
from onnx.utils import Extractor

from contracts.local_libraries import onnx_runtime
from contracts.serving.request import numbers, strings
from contracts.tables.clean_rows import CleanRows
from stages.features.graph import CREATIVE_IDX, TABLE_IDX, inner, of_inner

if TYPE_CHECKING:
    import onnxruntime as ort


ROWS_AT_ONCE = 4096  # of an array that columns are put side by side in, and ids that are looked up: a graph copies all its texts
EMPTY = np.empty(0, dtype=np.int64)


@dataclass(frozen=True, kw_only=True)
class Encoded:
    """Arrays of one chunk: what the ranker takes."""

    cat_idx: np.ndarray  # int64 [N, F]; where values are hashed, with their buckets: the graph's table_idx
    num_feats: np.ndarray  # float32 [N, M]
    creative_idx: np.ndarray | None  # int64 [N], 0 = no image known; None if the data set has no images


class Encoder:
    """`encoder.onnx`, ready to encode chunks of clean rows."""

    def __init__(self, path: Path, num_threads: int = 1) -> None:
        model = onnx.shape_inference.infer_shapes(onnx.load(path))
        self._threads = num_threads
        self.num_fields, self.num_dense = (output.type.tensor_type.shape.dim[1].dim_value for output in model.graph.output[:2])
        self.has_creatives = any(output.name == CREATIVE_IDX for output in model.graph.output)
        kinds = {i.name: i.type.tensor_type.elem_type for i in model.graph.input}
        self.inputs = list(kinds)
        self._ids, self._floats = _stacked(model, TABLE_IDX) or _stacked(model, "cat_idx"), _stacked(model, "num_feats")
        extractor = Extractor(model)
        self._parts = {
            (column, *outputs): self._session(extractor.extract_model([column], outputs))
            for column, outputs in [*_string_outputs(model, kinds), *_number_outputs(kinds, [*self._ids, *self._floats])]
        }
        found = {output for _, *outputs in self._parts for output in outputs}
        computed = [name for name in (*self._ids, *self._floats) if name not in found]
        self._computed = [
            (inputs, outputs, self._session(extractor.extract_model(inputs, outputs)))
            for inputs, outputs in _computed_outputs(model, computed, {*kinds, *found})
        ]

    def encode(self, rows: pl.DataFrame | pa.RecordBatch | CleanRows) -> Encoded:
        """Ids and floats of clean rows (declared dtypes; missing is null). Arrow's dictionaries are taken as they are."""
        encoded: dict[str, Repeated] = {}
        for (column, *outputs), session in self._parts.items():
            encoded.update(zip(outputs, _by_distinct(session, column, rows[column]), strict=True))
        for inputs, outputs, session in self._computed:
            feed = {name: encoded[name].spelled_out() if name in encoded else _plain_numbers(rows[name]) for name in inputs}
            encoded.update(zip(outputs, _of_rows(session, feed, len(rows)), strict=True))
        creative = encoded.get(CREATIVE_IDX)
        return Encoded(
            cat_idx=_side_by_side([encoded[name] for name in self._ids], len(rows), np.int64),
            num_feats=_side_by_side([encoded[name] for name in self._floats], len(rows), np.float32),
            creative_idx=None if creative is None else creative.spelled_out(),
        )

    def creative_rows(self, ids: pl.Series) -> np.ndarray:
        """Rows int64 [n] of creatives in the image table, 0 for those without one."""
        column, session = next((key[0], session) for key, session in self._parts.items() if key[1] == CREATIVE_IDX)
        parts = (ids.slice(start, ROWS_AT_ONCE) for start in range(0, len(ids), ROWS_AT_ONCE))
        return np.concatenate([EMPTY, *(_by_distinct(session, column, part)[0].spelled_out() for part in parts)])

    def _session(self, model: onnx.ModelProto) -> "ort.InferenceSession":
        ort = onnx_runtime()
        options = ort.SessionOptions()
        options.intra_op_num_threads = self._threads
        options.log_severity_level = 3
        return ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def _stacked(model: onnx.ModelProto, output: str) -> list[str]:
    """The inner values that are the columns of `output`, in order."""
    concat = next((node for node in model.graph.node if list(node.output) == [output]), None)
    wide = "row_wide" if output == TABLE_IDX else "wide"
    return [] if concat is None or concat.op_type != "Concat" else [of_inner(name, wide) for name in concat.input]


def _string_outputs(model: onnx.ModelProto, kinds: dict[str, int]) -> list[tuple[str, list[str]]]:
    """Column and output of every look-up of a string; where unknown ones are hashed, what comes of that."""
    made = {node.output[0] for node in model.graph.node}
    looked_up = [
        (node.input[0], node.output[0])
        for node in model.graph.node
        if node.op_type == "LabelEncoder" and kinds.get(node.input[0]) == onnx.TensorProto.STRING
    ]
    hashed = {inner(column, "id"): row for column, _ in looked_up if (row := inner(column, "row")) in made}
    return [(column, [hashed.get(output, output)]) for column, output in looked_up]


def _number_outputs(kinds: dict[str, int], values: list[str]) -> list[tuple[str, list[str]]]:
    """Numeric columns and which of the inner values are made of each."""
    numeric = [name for name, kind in kinds.items() if kind == onnx.TensorProto.FLOAT]
    found = [(name, [value for value in values if value == inner(name, value.rpartition("/")[2])]) for name in numeric]
    return [(name, outputs) for name, outputs in found if outputs]  # others are there for what is computed of them alone


def _computed_outputs(model: onnx.ModelProto, values: list[str], ends: set[str]) -> list[tuple[list[str], list[str]]]:
    """Of each column that the graph computes, which of `ends` it is computed of, and which of `values` are its own."""
    made_by = {node.output[0]: node for node in model.graph.node}
    columns: dict[str, list[str]] = {}
    for value in values:
        columns.setdefault(value.rpartition("/")[0], []).append(value)
    found = []
    for outputs in columns.values():
        inputs, open_values = dict[str, None](), [*outputs]
        while open_values:
            name = open_values.pop(0)
            if name in ends:
                inputs[name] = None
            elif name in made_by:
                open_values += made_by[name].input
        found.append(([*inputs], outputs))
    return found


@dataclass(frozen=True, kw_only=True)
class Repeated:
    """A column of numbers, as the places of its distinct ones."""

    numbers: np.ndarray  # [D]
    places: np.ndarray  # [N]

    def spelled_out(self) -> np.ndarray:
        return self.numbers[self.places]


def _side_by_side(columns: list[Repeated], num_rows: int, dtype: type) -> np.ndarray:
    """[N, columns], filled a few rows at a time: these stay in the core's cache while one column after the other comes in."""
    found = np.empty((num_rows, len(columns)), dtype=dtype)
    for start in range(0, num_rows, ROWS_AT_ONCE):
        for i, column in enumerate(columns):
            found[start : start + ROWS_AT_ONCE, i] = column.numbers[column.places[start : start + ROWS_AT_ONCE]]
    return found


def _by_distinct(session: "ort.InferenceSession", column: str, values: pl.Series | pa.Array) -> list[Repeated]:
    """Outputs of `session` for every value, computed once for each distinct one."""
    is_text = session.get_inputs()[0].type == "tensor(string)"
    coded, distinct = _texts(values) if is_text else _bits(values)
    places = coded.indices
    if places.null_count:
        places = pl.Series(places).fill_null(len(coded.dictionary)).to_arrow()  # Arrow's fill_null imports pandas
    places = places.to_numpy()
    return [Repeated(numbers=found, places=places) for found in session.run(None, {column: distinct})]


def _of_rows(session: "ort.InferenceSession", feed: dict[str, np.ndarray], num_rows: int) -> list[Repeated]:
    """Outputs of `session` for every row."""
    parts = [
        session.run(None, {name: values[start : start + ROWS_AT_ONCE] for name, values in feed.items()})
        for start in range(0, max(num_rows, 1), ROWS_AT_ONCE)
    ]
    places = np.arange(num_rows)
    return [Repeated(numbers=np.concatenate(pieces), places=places) for pieces in zip(*parts, strict=True)]


def _plain_numbers(values: pl.Series | pa.Array) -> np.ndarray:
    """A column of numbers as the graph takes it, float32 [N]."""
    is_coded = isinstance(values, pa.Array) and pa.types.is_dictionary(values.type)
    return numbers(pl.Series(values.dictionary_decode() if is_coded else values)).to_numpy()


def _texts(values: pl.Series | pa.Array) -> tuple[pa.DictionaryArray, np.ndarray]:
    """A column of strings as a dictionary, and its texts; the last, behind them, stands for missing."""
    cells = values.to_arrow(compat_level=pl.CompatLevel.oldest()) if isinstance(values, pl.Series) else values
    coded = cells if pa.types.is_dictionary(cells.type) else cells.dictionary_encode()
    return coded, strings(pl.Series(coded.dictionary).extend_constant(None, 1)).to_numpy()


def _bits(values: pl.Series | pa.Array) -> tuple[pa.DictionaryArray, np.ndarray]:
    """A column of numbers as a dictionary, and its numbers; of two zeros, or two NaN, each is its own. The last, behind them,
    stands for missing.
    """
    if isinstance(values, pa.Array) and pa.types.is_dictionary(values.type):
        return values, numbers(pl.Series(values.dictionary).extend_constant(None, 1)).to_numpy()
    bits = numbers(pl.Series(values)).to_numpy().view(np.int32)
    coded = pl.Series(bits).to_arrow().dictionary_encode()
    return coded, numbers(pl.Series(pl.Series(coded.dictionary).to_numpy().view(np.float32)).extend_constant(None, 1)).to_numpy()
