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

from contracts.serving.packed_text import column_code, delimiter, free_separator
from contracts.serving.request import NUMERIC, RequestSpec
from stages.exporting.graphs import PACKED_OPSET, fused_graph
from stages.exporting.packed_computed import add_crosses, add_numbers, computed_numbers, crosses
from stages.exporting.packed_overflow import PIECES, by_row, hash_unknown
from stages.features.graph import BATCH, CREATIVE_IDX, HASH_DOMAIN, IR_VERSION, ML_OPSET, TABLE_IDX, Graph, inner, of_inner
from stages.features.vocabulary import FIRST_ID, MISSING_ID, UNKNOWN_ID

TEXT, SEPARATOR = "text", "separator"


@dataclass(frozen=True, kw_only=True)
class EncoderParts:
    """`encoder.onnx` taken apart."""

    nodes: dict[str, onnx.NodeProto]  # by their first output
    constants: dict[str, np.ndarray]

    @classmethod
    def read(cls, model: onnx.ModelProto) -> "EncoderParts":
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

    The text is `contracts.serving.packed_text`'s; its separator stands in the graph's metadata.
    """
    parts = EncoderParts.read(encoder)
    graph, separator = Graph(), vocabulary_separator(parts, request)
    inputs, ids, floats, fields, dense = [], [], [], [], []
    outputs = ["cat_idx"]
    of_field = [of_inner(name, "id") for name in parts.stacked("cat_idx")]
    texts, numbers = ([column.name for column in columns] for columns in (request.categorical, request.numeric))
    if CREATIVE_IDX in parts.nodes or {*of_field} & {*texts}:
        inputs.append(helper.make_tensor_value_info(TEXT, TensorProto.STRING, [1]))
        fields += _look_up_all(graph, parts, texts, request.codes, separator, ids)
        crossed = crosses(parts.nodes, of_field)
        if crossed:
            strings = ids[0] if len(ids) == 1 else graph.add("Concat", ids, "/string_ids", axis=1)
            ids[:] = [strings, add_crosses(graph, parts.nodes, parts.constants, crossed, strings, fields)]
            fields += crossed
        outputs += [CREATIVE_IDX] if CREATIVE_IDX in parts.nodes else []
        outputs += [TABLE_IDX] if TABLE_IDX in parts.nodes else []
    used = [name for name in of_field if name in numbers]
    made = [name for names in computed_numbers(parts.nodes, of_field).values() for name in names]
    if used or made:
        inputs.append(helper.make_tensor_value_info(NUMERIC, TensorProto.FLOAT, [BATCH, len(numbers)]))
        xs = [_columns(graph, NUMERIC, numbers, used, "/x")] if used else []
        xs += add_numbers(graph, parts.nodes, NUMERIC, numbers, made)
        x, used = xs[0] if len(xs) == 1 else graph.add("Concat", xs, "/all_x", axis=1), [*used, *made]
        ids.append(_buckets(graph, parts, x, used))
        fields += used
        floats += _standardised(graph, parts, x, used)
        dense += [*(inner(name, "x") for name in used), *(inner(name, "missing") for name in used)]
    _in_order(graph, ids, fields, of_field, "cat_idx")
    if TABLE_IDX in parts.nodes:
        hash_unknown(graph, parts.constants, of_field, texts)
    if floats:
        _in_order(graph, floats, dense, parts.stacked("num_feats"), "num_feats")
        outputs.append("num_feats")
    packed = _model(graph, inputs, outputs, len(of_field), len(parts.stacked("num_feats")))
    fused = fused_graph(packed, ranker, name="ctr_packed", opset=PACKED_OPSET)
    fused.metadata_props.add(key=SEPARATOR, value=separator)
    return fused


def vocabulary_separator(encoder: EncoderParts, request: RequestSpec) -> str:
    outputs = [CREATIVE_IDX, *(inner(column.name, "id") for column in request.categorical)]
    return free_separator(value for output in outputs for value in encoder.ids(output))


def _look_up_all(
    graph: Graph, encoder: EncoderParts, texts: list[str], codes: list[int], separator: str, ids: list[str]
) -> list[str | None]:
    """Adds ids [N, C + 2] of all columns and creative_idx [N] if it exists; returns their columns' names.

    One look-up gives the ids of all known values. A creative's value stands for two numbers, its id as a field and its
    place among the images: the look-up numbers these values, and a table says both. They are columns of their own.
    """
    creative = encoder.nodes[CREATIVE_IDX].input[0] if CREATIVE_IDX in encoder.nodes else None
    found, stands_for = {}, [[UNKNOWN_ID, 0]]
    for place, name in enumerate(texts):
        known = encoder.ids(inner(name, "id"))
        if name == creative:
            images = encoder.ids(CREATIVE_IDX)
            values = [*{**known, **images}]
            stands_for += [[known.get(value, UNKNOWN_ID), images.get(value, 0)] for value in values]
            known = {value: number for number, value in enumerate(values, start=1)}
        found |= {column_code(codes[place]) + value: number for value, number in known.items()}
    graph.nodes.append(
        helper.make_node("StringSplit", [TEXT], [PIECES, "/num_pieces"], name="pieces", delimiter=delimiter(separator))
    )
    found = found or {"\0": UNKNOWN_ID}
    numbers = {"keys_strings": [*found], "values_int64s": [*found.values()], "default_int64": UNKNOWN_ID}
    graph.add("LabelEncoder", [PIECES], "/numbers_and_start", "ai.onnx.ml", **numbers)
    ids.append(by_row(graph, "/numbers", len(texts)))
    if creative is None:
        return texts
    place = texts.index(creative)
    number = graph.add("Gather", ["/numbers", graph.constant("/creative_place", np.array(place))], "/creative_number", axis=1)
    both = graph.add("Gather", [graph.constant("/stands_for", np.array(stands_for)), number], "/id_and_image")
    graph.add("Gather", [both, graph.constant("/image", np.array(1))], CREATIVE_IDX, axis=1)
    ids.append(both)
    return [*texts[:place], None, *texts[place + 1 :], creative, None]


def _columns(graph: Graph, source: str, names: list[str], wanted: list[str], output: str) -> str:
    """The wanted columns of a matrix."""
    if names == wanted:
        return source
    places = graph.constant(f"{output}_places", np.array([names.index(name) for name in wanted]))
    return graph.add("Gather", [source, places], output, axis=1)


def _buckets(graph: Graph, encoder: EncoderParts, x: str, used: list[str]) -> str:
    """MISSING_ID for NaN, else FIRST_ID + number of edges at or below x: int64 [N, U].

    Counted as floats, which is several times as fast as integers; edges at minus infinity count up to FIRST_ID.
    """
    edges = [encoder.of(name, "edges") for name in used]
    widest = max([0, *(e.size for e in edges if e is not None)])
    table_UE = np.full((1, len(used), FIRST_ID + widest), np.nan, dtype=np.float32)  # nothing is at or above NaN
    table_UE[:, :, :FIRST_ID] = -np.inf
    for row, values in zip(table_UE[0], edges, strict=True):
        if values is not None:
            row[FIRST_ID : FIRST_ID + values.size] = values.ravel()
    axis = graph.constant("/axis_2", np.array([2]))
    wide = graph.add("Unsqueeze", [x, axis], "/x_wide")
    above = graph.add("GreaterOrEqual", [wide, graph.constant("/edges", table_UE)], "/above")
    steps = graph.add("Cast", [above], "/steps", to=TensorProto.FLOAT)
    count = graph.add("ReduceSum", [steps, axis], "/count", keepdims=0)
    bucket = graph.add("Max", [count, graph.constant("/missing_id", np.float32(MISSING_ID))], "/bucket")
    return graph.add("Cast", [bucket], "/bucket_ids", to=TensorProto.INT64)


def _standardised(graph: Graph, encoder: EncoderParts, x: str, used: list[str]) -> list[str]:
    """Standardised values, 0 where missing, and flags where they are: two of float32 [N, U]."""
    missing = graph.add("IsNaN", [x], "/isnan")
    logged_U = np.array([inner(name, "logged") in encoder.nodes for name in used])
    if logged_U.any():
        size = graph.add("Add", [graph.add("Abs", [x], "/abs"), graph.constant("/one", np.float32(1))], "/plus_one")
        product = [graph.add("Sign", [x], "/sign"), graph.log(size, "/log")]
        logged = graph.add("Mul", product, "/logged")
        x = logged if logged_U.all() else _where(graph, logged_U, logged, x)
    mean, rate = (graph.constant(f"/{what}", np.stack([encoder.of(name, what) for name in used])) for what in ("mean", "rate"))
    standard = graph.add("Mul", [graph.add("Sub", [x, mean], "/centred"), rate], "/standard")
    low, high = (graph.constant(f"/{what}", encoder.constants[f"/{what}"]) for what in ("low", "high"))
    cut = graph.add("Clip", [standard, low, high], "/cut")
    zero = graph.constant("/zero", np.float32(0))
    filled = graph.add("Where", [missing, zero, cut], "/filled")
    return [filled, graph.add("Cast", [missing], "/is_missing", to=TensorProto.FLOAT)]


def _where(graph: Graph, is_logged_U: np.ndarray, logged: str, plain: str) -> str:
    return graph.add("Where", [graph.constant("/is_logged", is_logged_U), logged, plain], "/maybe_logged")


def _in_order(graph: Graph, tensors: list[str], names: list[str | None], wanted: list[str], output: str) -> None:
    """The tensors' columns side by side, those that are wanted, in that order."""
    places = graph.constant(f"/{output}_places", np.array([names.index(name) for name in wanted]))
    whole = tensors[0] if len(tensors) == 1 else graph.add("Concat", tensors, f"/{output}_whole", axis=1)
    graph.add("Gather", [whole, places], output, axis=1)


def _model(graph: Graph, inputs: list, outputs: list[str], num_fields: int, num_floats: int) -> onnx.ModelProto:
    shapes = {
        "cat_idx": (TensorProto.INT64, [BATCH, num_fields]),
        TABLE_IDX: (TensorProto.INT64, [BATCH, num_fields]),
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
        opset_imports=[
            helper.make_opsetid("", PACKED_OPSET),
            helper.make_opsetid("ai.onnx.ml", ML_OPSET),
            *([helper.make_opsetid(HASH_DOMAIN, 1)] if TABLE_IDX in outputs else []),
        ],
        ir_version=IR_VERSION,
        producer_name="adclick",
    )
