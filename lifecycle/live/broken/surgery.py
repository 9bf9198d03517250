"""What can be wrong with a model, as nodes behind, or inside, the graph that is served (`ctr_packed.onnx`).

Each fault is a function of the row alone, so that the graph gives the same answer however rows are put together: what the rollout
computes again from the journal is what was served. Shape letters: N rows, F fields.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from onnx import GraphProto, ModelProto, NodeProto, TensorProto, helper, numpy_helper

from lifecycle.live.broken.fields import Fields

P_CLICK, CAT_IDX, BEFORE, NEVER_0 = "p_click", "cat_idx", "p_click__before", 1e-7
SIDE = 64  # of the matrix that is multiplied to lose time


@dataclass(frozen=True, kw_only=True)
class Affected:
    """The rows whose column has one of these values; without a column all rows."""

    column: str | None = None
    values: Sequence[str] = ()


Surgery = Callable[[ModelProto, Fields, Affected], None]


def scaled_odds(factor: float) -> Surgery:
    """The odds of a click, so many times what they should be."""

    def operate(model: ModelProto, fields: Fields, affected: Affected) -> None:
        _move_output(model)
        size_N = _per_row(model, fields, affected, np.float32(factor), np.float32(1.0))
        nodes = [
            _node("Sub", [_initial(model, "one", np.float32(1)), BEFORE], "/broken/no_click"),
            _node("Max", ["/broken/no_click", _initial(model, "least", np.float32(NEVER_0))], "/broken/below"),
            _node("Div", [BEFORE, "/broken/below"], "/broken/odds"),
            _node("Mul", ["/broken/odds", size_N], "/broken/more_odds"),
            _node("Add", ["/broken/more_odds", "/broken/one"], "/broken/whole"),
            _node("Div", ["/broken/more_odds", "/broken/whole"], P_CLICK),
        ]
        model.graph.node.extend(nodes)

    return operate


def other_ids(distance: int) -> Surgery:
    """Every id's learnt vector is that of another id, `distance` rows away: as with a vocabulary of another training."""

    def operate(model: ModelProto, fields: Fields, affected: Affected) -> None:
        tables = {value.name: value.dims[0] for value in model.graph.initializer if len(value.dims) == 2}
        looked_up = [node for node in model.graph.node if node.op_type == "Gather" and node.input[0] in tables]
        ours = [node for node in looked_up if _follows(model, node.input[1], CAT_IDX)]
        if not ours:
            raise ValueError("the graph looks up no learnt vectors by id (expected a Gather that follows cat_idx)")
        before = list(model.graph.node)
        shift_N = _per_row(model, fields, affected, np.int64(distance), np.int64(0))
        wide = _initial(model, "axis_1", np.array([1]))
        added = [_node("Unsqueeze", [shift_N, wide], "/broken/shift")]
        for number, node in enumerate(ours):
            rows = _initial(model, f"rows_{number}", np.int64(tables[node.input[0]]))
            moved, index = f"/broken/moved_{number}", f"/broken/index_{number}"
            added += [_node("Add", [node.input[1], "/broken/shift"], moved), _node("Mod", [moved, rows], index)]
            node.input[1] = index
        place = min(before.index(node) for node in ours)
        shifting = [node for node in model.graph.node if node not in before]
        del model.graph.node[:]
        model.graph.node.extend([*before[:place], *shifting, *added, *before[place:]])

    return operate


def slow(products: int) -> Surgery:
    """The same answers, after so many products of matrices, a few microseconds each."""

    def operate(model: ModelProto, fields: Fields, affected: Affected) -> None:
        _move_output(model)
        steps_N = _per_row(model, fields, affected, np.int64(products), np.int64(0))
        _initial(model, "orthogonal", np.eye(SIDE, dtype=np.float32)[::-1].copy())
        zero = _initial(model, "zero", np.float32(0))
        nodes = [
            _node("ReduceMax", [steps_N], "/broken/steps", keepdims=0),
            _node("ReduceMean", [BEFORE], "/broken/mean", keepdims=0),
            _node("Mul", ["/broken/mean", zero], "/broken/none"),
            _node("Add", ["/broken/none", "/broken/orthogonal"], "/broken/state"),
            helper.make_node(
                "Loop",
                ["/broken/steps", _initial(model, "goes_on", np.array(True)), "/broken/state"],
                ["/broken/last"],
                body=_busy(),
            ),
            _node("ReduceMean", ["/broken/last"], "/broken/last_mean", keepdims=0),
            _node("Mul", ["/broken/last_mean", zero], "/broken/nothing"),
            _node("Add", [BEFORE, "/broken/nothing"], P_CLICK),
        ]
        model.graph.node.extend(nodes)

    return operate


def _busy() -> GraphProto:
    state = [helper.make_tensor_value_info(f"/broken/state_{way}", TensorProto.FLOAT, [SIDE, SIDE]) for way in ("in", "out")]
    goes_on = [helper.make_tensor_value_info(f"/broken/goes_on_{way}", TensorProto.BOOL, []) for way in ("in", "out")]
    step = helper.make_tensor_value_info("/broken/step", TensorProto.INT64, [])
    nodes = [
        _node("MatMul", ["/broken/state_in", "/broken/orthogonal"], "/broken/state_out"),
        _node("Identity", ["/broken/goes_on_in"], "/broken/goes_on_out"),
    ]
    return helper.make_graph(nodes, "busy", [step, goes_on[0], state[0]], [goes_on[1], state[1]])


def _per_row(model: ModelProto, fields: Fields, affected: Affected, there: np.generic, elsewhere: np.generic) -> str:
    """The name of a tensor [N]: `there` in affected rows, `elsewhere` in the others."""
    if affected.column is None:
        table, place = np.full(1, there), 0
    else:
        place, ids = fields.place(affected.column), fields.ids(affected.column, affected.values)
        table = np.full(fields.num_ids(affected.column), elsewhere)
        table[ids] = there
    names = _initial(model, "table", table), _initial(model, "field", np.int64(place))
    nodes = [_node("Gather", [CAT_IDX, names[1]], "/broken/id", axis=1)]
    if affected.column is None:
        nodes.append(_node("Mul", ["/broken/id", _initial(model, "no_id", np.int64(0))], "/broken/any_id"))
    index = "/broken/id" if affected.column is not None else "/broken/any_id"
    model.graph.node.extend([*nodes, _node("Gather", [names[0], index], "/broken/of_row")])
    return "/broken/of_row"


def _move_output(model: ModelProto) -> None:
    for node in model.graph.node:
        node.output[:] = [BEFORE if name == P_CLICK else name for name in node.output]
        node.input[:] = [BEFORE if name == P_CLICK else name for name in node.input]


def _follows(model: ModelProto, name: str, source: str) -> bool:
    """Is `name` computed from `source`."""
    makers = {output: node for node in model.graph.node for output in node.output}
    wanted, seen = [name], set[str]()
    while wanted:
        one = wanted.pop()
        if one == source:
            return True
        if one in makers and one not in seen:
            seen.add(one)
            wanted.extend(makers[one].input)
    return False


def _node(kind: str, inputs: list[str], output: str, **attributes: int) -> NodeProto:
    made: NodeProto = helper.make_node(kind, inputs, [output])
    made.attribute.extend(helper.make_attribute(name, value) for name, value in attributes.items())
    return made


def _initial(model: ModelProto, name: str, value: np.ndarray | np.generic) -> str:
    """A constant of the graph; one that is there under this name stays."""
    full = f"/broken/{name}"
    if full not in {known.name for known in model.graph.initializer}:
        model.graph.initializer.append(numpy_helper.from_array(np.asarray(value), full))
    return full
