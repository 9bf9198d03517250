"""What the encoder computes of other columns, in `ctr_packed.onnx`: all ratios at once, all differences, all crosses.

Shape letters: N rows, R ratios, D differences, X crosses, K columns of the widest cross.
"""

import numpy as np
import onnx
from onnx import TensorProto, helper

from stages.features.graph import Graph, inner, of_inner
from stages.features.vocabulary import MISSING_ID, UNKNOWN_ID

Nodes = dict[str, onnx.NodeProto]  # of the encoder, by their first output


def crosses(nodes: Nodes, names: list[str]) -> list[str]:
    return [name for name in names if inner(name, "known") in nodes]


def computed_numbers(nodes: Nodes, names: list[str]) -> dict[str, list[str]]:
    """Names of ratios and of differences, by the operation that computes them."""
    made = {name: nodes[inner(name, "computed")].op_type for name in names if inner(name, "computed") in nodes}
    found = {operation: [name for name in made if made[name] == operation] for operation in ("Div", "Sub")}
    return {operation: those for operation, those in found.items() if those}


def add_numbers(graph: Graph, nodes: Nodes, source: str, columns: list[str], names: list[str]) -> list[str]:
    """Adds float32 [N, R] and [N, D] of computed numbers, in the order of `computed_numbers`; NaN where not finite."""
    found = []
    for operation, those in computed_numbers(nodes, names).items():
        operands = []
        for place in range(2):
            wanted = np.array([columns.index(nodes[inner(name, "computed")].input[place]) for name in those])
            places = graph.constant(f"/{operation}_places_{place}", wanted)
            operands.append(graph.add("Gather", [source, places], f"/{operation}_operand_{place}", axis=1))
        value = graph.add(operation, operands, f"/{operation}_value")
        absent = graph.constant("/nan", np.float32(np.nan))
        is_infinite = graph.add("IsInf", [value], f"/{operation}_isinf")
        found.append(graph.add("Where", [is_infinite, absent, value], f"/{operation}_number"))
    return found


def add_crosses(
    graph: Graph, nodes: Nodes, constants: dict[str, np.ndarray], names: list[str], ids: str, fields: list[str | None]
) -> str:
    """Adds the crosses' ids, int64 [N, X]. `ids` are those of the string columns, whose names are `fields`.

    Each combination of ids is a number, and those of one cross begin where those of the one before end: one look-up has all.
    """
    parts_X = [_parts(nodes, name) for name in names]
    width = max(map(len, parts_X))
    place_XK = np.zeros((len(names), width), dtype=np.int64)
    step_XK = np.zeros((len(names), width), dtype=np.int64)
    begin_X = np.zeros(len(names), dtype=np.int64)
    known: dict[int, int] = {}
    end = 0
    for x, (name, parts) in enumerate(zip(names, parts_X, strict=True)):
        steps = [int(constants[inner(name, f"step_{k}")]) for k in range(len(parts))]
        place_XK[x] = [
            fields.index(part) for part in (*parts, *parts[:1] * (width - len(parts)))
        ]  # a part again says nothing new
        step_XK[x, : len(steps)] = steps
        begin_X[x] = end
        of_cross = _attributes(nodes[inner(name, "known")])
        values = zip(of_cross["keys_int64s"], of_cross["values_int64s"], strict=True)
        known |= {end + code: number for code, number in values if code >= 0}  # a cross without values has a key that is none
        end += steps[0] * (len(_attributes(nodes[inner(parts[0], "id")])["keys_strings"]) + 1)
    part_ids = graph.add("Gather", [ids, graph.constant("/crossed_places", place_XK)], "/crossed_ids", axis=1)
    scaled = graph.add("Mul", [part_ids, graph.constant("/crossed_steps", step_XK)], "/crossed_scaled")
    axis = graph.constant("/crossed_axis", np.array([2]))
    summed = graph.add("ReduceSum", [scaled, axis], "/crossed_summed", keepdims=0)
    code = graph.add("Add", [summed, graph.constant("/crossed_begin", begin_X)], "/crossed_code")
    known = known or {-1: UNKNOWN_ID}
    numbers = {"keys_int64s": [*known], "values_int64s": [*known.values()], "default_int64": UNKNOWN_ID}
    found = graph.add("LabelEncoder", [code], "/crossed_known", "ai.onnx.ml", **numbers)
    absent = graph.constant("/crossed_missing_id", np.array(MISSING_ID))
    lacks = graph.add("Cast", [graph.add("Equal", [part_ids, absent], "/crossed_lacks")], "/crossed_lack", to=TensorProto.INT64)
    some = graph.add("ReduceMax", [lacks, axis], "/crossed_any", keepdims=0)
    is_missing = graph.add("Cast", [some], "/crossed_is_missing", to=TensorProto.BOOL)
    return graph.add("Where", [is_missing, absent, found], "/crossed")


def _parts(nodes: Nodes, cross: str) -> tuple[str, ...]:
    """Names of the columns that a cross is of."""
    found: list[str] = []
    while (node := nodes.get(inner(cross, f"code_{len(found)}"))) is not None:
        found.append(of_inner(node.input[0], "id"))
    return tuple(found)


def _attributes(node: onnx.NodeProto) -> dict[str, list]:
    return {attribute.name: helper.get_attribute_value(attribute) for attribute in node.attribute}
