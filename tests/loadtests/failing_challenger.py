"""A challenger that fails now and then: surgery on the graph of an exported model (see `make_challenger`)."""

from collections.abc import Callable

import numpy as np
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

P_CLICK, BEFORE = "p_click", "p_click__before"


def failing_at(num_rows: int) -> Callable[[ModelProto], list[NodeProto]]:
    """Every call with so many rows ends with an error: it looks up what is not there."""

    def operate(model: ModelProto) -> list[NodeProto]:
        known = {"only_one": np.zeros(1, dtype=np.float32), "failing_rows": np.array([num_rows], dtype=np.int64)}
        model.graph.initializer.extend(numpy_helper.from_array(values, name) for name, values in known.items())
        return [
            helper.make_node("Shape", [BEFORE], ["rows"], start=0, end=1),
            helper.make_node("Equal", ["rows", "failing_rows"], ["fails"]),
            helper.make_node("Cast", ["fails"], ["place"], to=TensorProto.INT64),
            helper.make_node("Gather", ["only_one", "place"], ["nothing"]),
            helper.make_node("Add", [BEFORE, "nothing"], [P_CLICK]),
        ]

    return operate
