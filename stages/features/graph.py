"""Builds `encoder.onnx`: raw strings and numbers in, ids and floats out. The one encoder of training and serving.

Every column's ids are an inner value named `/<column>/id`, so that a part of the graph can be run alone.
"""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from stages.features.computed import ComputedScale, Cross, taken
from stages.features.overflow import SEED
from stages.features.vocabulary import FIRST_ID, MISSING_ID, UNKNOWN_ID, Scale, Vocabulary

OPSET, ML_OPSET, IR_VERSION = 18, 3, 10
BATCH = "batch"
CREATIVE_IDX, TABLE_IDX = "creative_idx", "table_idx"
HASH_OPSET, HASH_DOMAIN = 20, "com.microsoft"  # of a graph that hashes: StringConcat's first opset, MurmurHash3's domain


def inner(column: str, what: str) -> str:
    """Name of a value inside the graph. It begins with a slash, so that no column's name can be the same."""
    return f"/{column}/{what}"


def of_inner(name: str, what: str) -> str:
    """The column that `inner` made `name` of."""
    return name.removeprefix("/").removesuffix(f"/{what}")


class Graph:
    """Nodes and constants collected one by one; names are given by the caller, so the bytes are always the same."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: dict[str, onnx.TensorProto] = {}
        self.values: list[onnx.ValueInfoProto] = []

    def add(self, op: str, inputs: list[str], output: str, domain: str = "", **attributes: object) -> str:
        self.nodes.append(helper.make_node(op, inputs, [output], name=f"{op}:{output}", domain=domain, **attributes))
        return output

    def log(self, x: str, output: str) -> str:
        """The logarithm of float32 `x`, the same wherever in a batch a value stands: of float32 ONNX Runtime rounds what is left
        over at the end of a vector another way, so it is computed in float64. A steep line of the network makes much of a bit.
        """
        wide = self.add("Cast", [x], f"{output}_of", to=TensorProto.DOUBLE)
        return self.add("Cast", [self.add("Log", [wide], f"{output}_wide")], output, to=TensorProto.FLOAT)

    def constant(self, name: str, value: np.ndarray) -> str:
        self.constants[name] = numpy_helper.from_array(value, name)
        return name


def build_encoder(parts: list[Vocabulary | Scale], creatives: tuple[str, tuple[str, ...]] | None) -> onnx.ModelProto:
    """The encoder of the kept columns. `creatives` is the creative column and the ids that have an image, in row order.

    Inputs: a string or float32 tensor [batch] a column. Outputs: cat_idx int64 [batch, F], num_feats float32
    [batch, M] and, with creatives, creative_idx int64 [batch] (0: no image known). Where values without an id of their own are
    hashed, cat_idx says unknown of them, and the rows of the ranker's tables are another output, table_idx int64 [batch, F].
    """
    graph = Graph()
    kinds = {"categorical": TensorProto.STRING, "numeric": TensorProto.FLOAT}
    types = {name: kinds[kind] for name, kind in taken(parts).items()}
    if creatives is not None:
        types.setdefault(creatives[0], TensorProto.STRING)
    ids, rows, floats = [], [], []
    for part in parts:
        ids.append(inner(part.name, "id"))
        if isinstance(part, Scale):
            x = _number(graph, part) if isinstance(part, ComputedScale) else part.name
            _bucket(graph, part, x)
            floats += _scale(graph, part, x)
        elif not isinstance(part, Cross):
            _look_up(graph, part.name, inner(part.name, "id"), ("", *part.values), MISSING_ID)
        is_hashed = isinstance(part, Vocabulary) and bool(part.bucket_ids)
        rows.append(_hash(graph, part, ids[-1]) if is_hashed else ids[-1])
    for part in parts:
        if isinstance(part, Cross):  # looked up by the ids of others
            _cross(graph, part)
    outputs = [
        _stack(graph, ids, "cat_idx", TensorProto.INT64, next(iter(types))),
        _stack(graph, floats, "num_feats", TensorProto.FLOAT, next(iter(types))),
    ]
    hashes = rows != ids
    if hashes:
        outputs.append(_stack(graph, rows, TABLE_IDX, TensorProto.INT64, next(iter(types)), wide="row_wide"))
    if creatives is not None:
        _look_up(graph, creatives[0], CREATIVE_IDX, creatives[1], 1)
        outputs.append(helper.make_tensor_value_info(CREATIVE_IDX, TensorProto.INT64, [BATCH]))
    model = helper.make_model(
        helper.make_graph(
            graph.nodes,
            "encoder",
            [helper.make_tensor_value_info(name, kind, [BATCH]) for name, kind in types.items()],
            outputs,
            initializer=list(graph.constants.values()),
            value_info=graph.values,
        ),
        opset_imports=[
            helper.make_opsetid("", HASH_OPSET if hashes else OPSET),
            helper.make_opsetid("ai.onnx.ml", ML_OPSET),
            *([helper.make_opsetid(HASH_DOMAIN, 1)] if hashes else []),
        ],
        ir_version=IR_VERSION,
        producer_name="adclick",
    )
    onnx.checker.check_model(model, full_check=True)
    return model


def _look_up(graph: Graph, column: str, output: str, values: tuple[str, ...], first: int) -> str:
    """Ids of strings, `first` for values[0] and so on; unknown for all others."""
    keys, numbers = list(values), list(range(first, first + len(values)))
    if not keys:  # LabelEncoder wants at least one key; no client sends this one
        keys, numbers = ["\0"], [UNKNOWN_ID]
    graph.add(
        "LabelEncoder",
        [column],
        output,
        "ai.onnx.ml",
        keys_strings=keys,
        values_int64s=numbers,
        default_int64=UNKNOWN_ID,
    )
    if output != CREATIVE_IDX:
        graph.values.append(helper.make_tensor_value_info(output, TensorProto.INT64, [BATCH]))
    return output


def _hash(graph: Graph, part: Vocabulary, known: str) -> str:
    """The id `known`, or where that is unknown the one of the value's bucket."""
    name = part.name
    salt = graph.constant(inner(name, "salt"), np.array(part.salt, dtype=object))
    salted = graph.add("StringConcat", [salt, name], inner(name, "salted"))
    num_buckets = graph.constant(inner(name, "num_buckets"), np.array(len(part.bucket_ids), dtype=np.uint32))
    bucket = bucket_of(graph, hash_of(graph, salted, inner(name, "hash")), num_buckets, inner(name, "bucket"))
    ids = graph.constant(inner(name, "bucket_ids"), np.array(part.bucket_ids, dtype=np.int64))
    of_bucket = graph.add("Gather", [ids, bucket], inner(name, "of_bucket"))
    unknown = graph.constant("/unknown_id", np.array(UNKNOWN_ID, dtype=np.int64))
    is_unknown = graph.add("Equal", [known, unknown], inner(name, "is_unknown"))
    output = graph.add("Where", [is_unknown, of_bucket, known], inner(name, "row"))
    graph.values.append(helper.make_tensor_value_info(output, TensorProto.INT64, [BATCH]))
    return output


def _number(graph: Graph, scale: ComputedScale) -> str:
    """The ratio or difference of two numbers; NaN where it is not finite."""
    name = scale.name
    found = graph.add("Div" if scale.operation == "ratio" else "Sub", list(scale.of), inner(name, "computed"))
    absent = graph.constant("/nan", np.array(np.nan, dtype=np.float32))
    return graph.add("Where", [graph.add("IsInf", [found], inner(name, "isinf")), absent, found], inner(name, "number"))


def _cross(graph: Graph, cross: Cross) -> str:
    """MISSING_ID where a part is missing, the value's id where the parts are a known value, else UNKNOWN_ID."""
    name, parts = cross.name, [inner(part, "id") for part in cross.of]
    absent = graph.constant("/missing_id", np.array(MISSING_ID, dtype=np.int64))
    code, is_missing = "", ""
    for place, (part, step) in enumerate(zip(parts, cross.steps, strict=True)):
        scaled = graph.add(
            "Mul", [part, graph.constant(inner(name, f"step_{place}"), np.array(step))], inner(name, f"code_{place}")
        )
        lacks = graph.add("Equal", [part, absent], inner(name, f"lacks_{place}"))
        code = graph.add("Add", [code, scaled], inner(name, f"sum_{place}")) if code else scaled
        is_missing = graph.add("Or", [is_missing, lacks], inner(name, f"any_{place}")) if is_missing else lacks
    numbers = [FIRST_ID + place for place in range(len(cross.values))]  # LabelEncoder wants a key: none has a code below 0
    known = {"keys_int64s": cross.codes or [-1], "values_int64s": numbers or [UNKNOWN_ID], "default_int64": UNKNOWN_ID}
    found = graph.add("LabelEncoder", [code], inner(name, "known"), "ai.onnx.ml", **known)
    output = graph.add("Where", [is_missing, absent, found], inner(name, "id"))
    graph.values.append(helper.make_tensor_value_info(output, TensorProto.INT64, [BATCH]))
    return output


def hash_of(graph: Graph, texts: str, output: str) -> str:
    """uint32 of each text."""
    return graph.add("MurmurHash3", [texts], output, HASH_DOMAIN, positive=1, seed=SEED)


def bucket_of(graph: Graph, hashes: str, num_buckets: str, output: str) -> str:
    """The bucket of each hash, int64, out of `num_buckets` uint32."""
    return graph.add("Cast", [graph.add("Mod", [hashes, num_buckets], f"{output}_rest")], output, to=TensorProto.INT64)


def _bucket(graph: Graph, scale: Scale, x: str) -> str:
    """MISSING_ID for NaN, else FIRST_ID + number of edges at or below `x`."""
    name = scale.name
    axis = graph.constant("/axis_1", np.array([1], dtype=np.int64))
    first = graph.constant("/first_id", np.array(FIRST_ID, dtype=np.int64))
    absent = graph.constant("/missing_id", np.array(MISSING_ID, dtype=np.int64))
    is_missing = graph.add("IsNaN", [x], inner(name, "isnan"))
    if scale.edges:
        edges = graph.constant(inner(name, "edges"), np.array([scale.edges], dtype=np.float32))
        column = graph.add("Unsqueeze", [x, axis], inner(name, "column"))
        above = graph.add("GreaterOrEqual", [column, edges], inner(name, "above"))
        steps = graph.add("Cast", [above], inner(name, "steps"), to=TensorProto.INT64)
        count = graph.add("ReduceSum", [steps, axis], inner(name, "count"), keepdims=0)
        bucket = graph.add("Add", [count, first], inner(name, "bucket_id"))
    else:
        zeros = graph.add("Cast", [is_missing], inner(name, "zeros"), to=TensorProto.INT64)
        bucket = graph.add("Add", [zeros, first], inner(name, "bucket_id"))
    output = graph.add("Where", [is_missing, absent, bucket], inner(name, "id"))
    graph.values.append(helper.make_tensor_value_info(output, TensorProto.INT64, [BATCH]))
    return output


def _scale(graph: Graph, scale: Scale, x: str) -> list[str]:
    """`x` standardised, 0 where missing, and a flag where it may be missing."""
    name = scale.name
    if scale.log:
        one = graph.constant("/one", np.array(1, dtype=np.float32))
        size = graph.add("Add", [graph.add("Abs", [x], inner(name, "abs")), one], inner(name, "plus_one"))
        x = graph.add(
            "Mul",
            [graph.add("Sign", [x], inner(name, "sign")), graph.log(size, inner(name, "log"))],
            inner(name, "logged"),
        )
    mean = graph.constant(inner(name, "mean"), np.array(scale.mean, dtype=np.float32))
    rate = graph.constant(inner(name, "rate"), np.array(1 / scale.std, dtype=np.float32))
    centred = graph.add("Mul", [graph.add("Sub", [x, mean], inner(name, "centred")), rate], inner(name, "standard"))
    low = graph.constant("/low", np.array(-scale.max_sigma, dtype=np.float32))
    high = graph.constant("/high", np.array(scale.max_sigma, dtype=np.float32))
    cut = graph.add("Clip", [centred, low, high], inner(name, "cut"))
    zero = graph.constant("/zero", np.array(0, dtype=np.float32))
    floats = [graph.add("Where", [inner(name, "isnan"), zero, cut], inner(name, "x"))]
    if scale.has_missing:
        floats.append(graph.add("Cast", [inner(name, "isnan")], inner(name, "missing"), to=TensorProto.FLOAT))
    return floats


def _stack(graph: Graph, columns: list[str], output: str, kind: int, any_input: str, wide: str = "wide") -> onnx.ValueInfoProto:
    """The [batch] tensors side by side; [batch, 0] if there are none."""
    axis = graph.constant("/axis_1", np.array([1], dtype=np.int64))
    if columns:
        side_by_side = [graph.add("Unsqueeze", [name, axis], inner(name, wide)) for name in columns]
        graph.add("Concat", side_by_side, output, axis=1)
    else:
        rows = graph.add("Shape", [any_input], inner(output, "rows"))
        zero = graph.constant("/zero_columns", np.array([0], dtype=np.int64))
        shape = graph.add("Concat", [rows, zero], inner(output, "shape"), axis=0)
        empty = helper.make_tensor("empty", kind, [1], [0])
        graph.add("ConstantOfShape", [shape], output, value=empty)
    return helper.make_tensor_value_info(output, kind, [BATCH, len(columns)])


def dense_names(parts: list[Vocabulary | Scale]) -> list[str]:
    """Names of the columns of num_feats."""
    scales = [part for part in parts if isinstance(part, Scale)]
    return [name for s in scales for name in ([s.name, f"{s.name}__missing"] if s.has_missing else [s.name])]
