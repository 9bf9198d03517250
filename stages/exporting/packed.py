"""`ctr_packed.onnx`: the fused model for rows that are packed as a request packs them, in few operations.

It is made from `encoder.onnx` and `ranker.onnx`, never from the data: all vocabularies become one look-up whose keys
name their column, and the arithmetic of the numeric columns is done for all of them at once. A request of one row mostly
costs operations, and `ctr.onnx` has several of them a column.

Shape letters: N rows, C string columns and M numeric columns of a request, S and U those that the model looks at, E edges.
"""

from dataclasses import dataclass

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from contracts.packed_text import column_code, delimiter, free_separator
from contracts.request import NUMERIC, RequestSpec
from stages.exporting.graphs import PACKED_OPSET, fused_graph
from stages.features.graph import BATCH, CREATIVE_IDX, IR_VERSION, ML_OPSET, Graph, inner, of_inner
from stages.features.vocabulary import FIRST_ID, MISSING_ID, UNKNOWN_ID

TEXT, SEPARATOR = "text", "separator"
END = np.iinfo(np.int64).max


@dataclass(frozen=True, kw_only=True)
class Encoder:
    """`encoder.onnx` taken apart."""

    nodes: dict[str, onnx.NodeProto]  # by their first output
    constants: dict[str, np.ndarray]

    @classmethod
    def read(cls, model: onnx.ModelProto) -> "Encoder":
        return cls(
            nodes={node.output[0]: node for node in model.graph.node},
            constants={value.name: numpy_helper.to_array(value) for value in model.graph.initializer},
        )

    def stacked(self, output: str) -> list[str]:
        """Names of the values that an output stacks, in order."""
        node = self.nodes[output]
        return [of_inner(name, "wide") for name in node.input] if node.op_type == "Concat" else []

    def ids(self, output: str) -> dict[str, int]:
        """Values that a look-up knows; none if there is no such look-up."""
        node = self.nodes.get(output)
        if node is None or node.op_type != "LabelEncoder":
            return {}
        found = {attribute.name: helper.get_attribute_value(attribute) for attribute in node.attribute}
        return {key.decode(): number for key, number in zip(found["keys_strings"], found["values_int64s"], strict=True)}

    def of(self, column: str, what: str) -> np.ndarray | None:
        return self.constants.get(inner(column, what))


def packed_graph(encoder: onnx.ModelProto, ranker: onnx.ModelProto, request: RequestSpec) -> onnx.ModelProto:
    """text string [1], numeric float32 [N, M] -> p_click, cat_idx and creative_idx, as `ctr.onnx` gives them.

    The text is `contracts.packed_text`'s; its separator stands in the graph's metadata.
    """
    parts = Encoder.read(encoder)
    graph, separator = Graph(), vocabulary_separator(parts, request)
    inputs, ids, floats, fields, dense = [], [], [], [], []
    outputs = ["cat_idx"]
    of_field = [of_inner(name, "id") for name in parts.stacked("cat_idx")]
    texts, numbers = ([column.name for column in columns] for columns in (request.categorical, request.numeric))
    if CREATIVE_IDX in parts.nodes or {*of_field} & {*texts}:
        inputs.append(helper.make_tensor_value_info(TEXT, TensorProto.STRING, [1]))
        fields += _look_up_all(graph, parts, texts, of_field, separator, ids)
        outputs += [CREATIVE_IDX] if CREATIVE_IDX in parts.nodes else []
    used = [name for name in of_field if name in numbers]
    if used:
        inputs.append(helper.make_tensor_value_info(NUMERIC, TensorProto.FLOAT, [BATCH, len(numbers)]))
        x = _columns(graph, NUMERIC, numbers, used, "/x")
        ids.append(_buckets(graph, parts, x, used))
        fields += used
        floats += _standardised(graph, parts, x, used)
        dense += [*(inner(name, "x") for name in used), *(inner(name, "missing") for name in used)]
    _in_order(graph, ids, fields, of_field, "cat_idx")
    if floats:
        _in_order(graph, floats, dense, parts.stacked("num_feats"), "num_feats")
        outputs.append("num_feats")
    packed = _model(graph, inputs, outputs, len(of_field), len(parts.stacked("num_feats")))
    fused = fused_graph(packed, ranker, name="ctr_packed", opset=PACKED_OPSET)
    fused.metadata_props.add(key=SEPARATOR, value=separator)
    return fused


def vocabulary_separator(encoder: Encoder, request: RequestSpec) -> str:
    outputs = [CREATIVE_IDX, *(inner(column.name, "id") for column in request.categorical)]
    return free_separator(value for output in outputs for value in encoder.ids(output))


def _look_up_all(
    graph: Graph, encoder: Encoder, texts: list[str], of_field: list[str], separator: str, ids: list[str]
) -> list[str]:
    """Adds ids [N, S] of the columns that are fields, whose names are returned, and creative_idx [N] if it exists.

    One look-up numbers all known values; tables say which id and which creative such a number stands for.
    """
    creative = encoder.nodes[CREATIVE_IDX].input[0] if CREATIVE_IDX in encoder.nodes else None
    creatives = encoder.ids(CREATIVE_IDX)
    keys, as_id, as_creative = [], [UNKNOWN_ID], [0]
    for place, name in enumerate(texts):
        known = encoder.ids(inner(name, "id"))
        for value in {**known, **(creatives if name == creative else {})}:
            keys.append(column_code(place) + value)
            as_id.append(known.get(value, UNKNOWN_ID))
            as_creative.append(creatives.get(value, 0) if name == creative else 0)
    graph.nodes.append(
        helper.make_node("StringSplit", [TEXT], ["/pieces", "/num_pieces"], name="pieces", delimiter=delimiter(separator))
    )
    numbers = {"keys_strings": keys or ["\0"], "values_int64s": [*range(1, len(keys) + 1)] or [0], "default_int64": 0}
    graph.add("LabelEncoder", ["/pieces"], "/numbers_and_start", "ai.onnx.ml", **numbers)
    bounds = [graph.constant(f"/{name}", np.array([value])) for name, value in (("second", 1), ("end", END), ("axis_1", 1))]
    graph.add("Slice", ["/numbers_and_start", *bounds], "/numbers_flat")  # nothing stands before the first separator
    shape = graph.constant("/rows", np.array([-1, len(texts)]))
    graph.add("Reshape", ["/numbers_flat", shape], "/numbers")
    if creative is not None:
        place = graph.constant("/creative_place", np.array(texts.index(creative)))
        graph.add("Gather", ["/numbers", place], "/creative_number", axis=1)
        graph.add("Gather", [graph.constant("/as_creative", np.array(as_creative)), "/creative_number"], CREATIVE_IDX)
    used = [name for name in of_field if name in texts]
    if used:
        kept = _columns(graph, "/numbers", texts, used, "/field_numbers")
        ids.append(graph.add("Gather", [graph.constant("/as_id", np.array(as_id)), kept], "/text_ids"))
    return used


def _columns(graph: Graph, source: str, names: list[str], wanted: list[str], output: str) -> str:
    """The wanted columns of a matrix."""
    if names == wanted:
        return source
    places = graph.constant(f"{output}_places", np.array([names.index(name) for name in wanted]))
    return graph.add("Gather", [source, places], output, axis=1)


def _buckets(graph: Graph, encoder: Encoder, x: str, used: list[str]) -> str:
    """MISSING_ID for NaN, else FIRST_ID + number of edges at or below x: int64 [N, U]."""
    edges = [encoder.of(name, "edges") for name in used]
    widest = max([1, *(e.size for e in edges if e is not None)])
    table_UE = np.full((1, len(used), widest), np.nan, dtype=np.float32)  # nothing is at or above NaN
    for row, values in zip(table_UE[0], edges, strict=True):
        if values is not None:
            row[: values.size] = values.ravel()
    axis = graph.constant("/axis_2", np.array([2]))
    wide = graph.add("Unsqueeze", [x, axis], "/x_wide")
    above = graph.add("GreaterOrEqual", [wide, graph.constant("/edges", table_UE)], "/above")
    steps = graph.add("Cast", [above], "/steps", to=TensorProto.INT64)
    count = graph.add("ReduceSum", [steps, axis], "/count", keepdims=0)
    bucket = graph.add("Add", [count, graph.constant("/first_id", np.array(FIRST_ID))], "/bucket")
    missing = graph.add("IsNaN", [x], "/isnan")
    return graph.add("Where", [missing, graph.constant("/missing_id", np.array(MISSING_ID)), bucket], "/bucket_ids")


def _standardised(graph: Graph, encoder: Encoder, x: str, used: list[str]) -> list[str]:
    """Standardised values, 0 where missing, and flags where they are: two of float32 [N, U]."""
    logged_U = np.array([inner(name, "logged") in encoder.nodes for name in used])
    if logged_U.any():
        size = graph.add("Add", [graph.add("Abs", [x], "/abs"), graph.constant("/one", np.float32(1))], "/plus_one")
        product = [graph.add("Sign", [x], "/sign"), graph.add("Log", [size], "/log")]
        logged = graph.add("Mul", product, "/logged")
        x = logged if logged_U.all() else _where(graph, logged_U, logged, x)
    mean, rate = (graph.constant(f"/{what}", np.stack([encoder.of(name, what) for name in used])) for what in ("mean", "rate"))
    standard = graph.add("Mul", [graph.add("Sub", [x, mean], "/centred"), rate], "/standard")
    low, high = (graph.constant(f"/{what}", encoder.constants[f"/{what}"]) for what in ("low", "high"))
    cut = graph.add("Clip", [standard, low, high], "/cut")
    zero = graph.constant("/zero", np.float32(0))
    filled = graph.add("Where", ["/isnan", zero, cut], "/filled")
    return [filled, graph.add("Cast", ["/isnan"], "/is_missing", to=TensorProto.FLOAT)]


def _where(graph: Graph, is_logged_U: np.ndarray, logged: str, plain: str) -> str:
    return graph.add("Where", [graph.constant("/is_logged", is_logged_U), logged, plain], "/maybe_logged")


def _in_order(graph: Graph, tensors: list[str], names: list[str], wanted: list[str], output: str) -> None:
    """The tensors' columns side by side, those that are wanted, in that order."""
    places = graph.constant(f"/{output}_places", np.array([names.index(name) for name in wanted]))
    whole = tensors[0] if len(tensors) == 1 else graph.add("Concat", tensors, f"/{output}_whole", axis=1)
    graph.add("Gather", [whole, places], output, axis=1)


def _model(graph: Graph, inputs: list, outputs: list[str], num_fields: int, num_floats: int) -> onnx.ModelProto:
    shapes = {
        "cat_idx": (TensorProto.INT64, [BATCH, num_fields]),
        CREATIVE_IDX: (TensorProto.INT64, [BATCH]),
        "num_feats": (TensorProto.FLOAT, [BATCH, num_floats]),
    }
    return helper.make_model(
        helper.make_graph(
            graph.nodes,
            "packed_encoder",
            inputs,
            [helper.make_tensor_value_info(name, *shapes[name]) for name in outputs],
            initializer=list(graph.constants.values()),
        ),
        opset_imports=[helper.make_opsetid("", PACKED_OPSET), helper.make_opsetid("ai.onnx.ml", ML_OPSET)],
        ir_version=IR_VERSION,
        producer_name="adclick",
    )
