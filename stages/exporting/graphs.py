"""The trained network as ONNX graphs: the ranker with its table of known creatives, the creative encoder, the fused
model.

Shape letters: B rows, F fields, M floats, E creative embedding, S pixels a side, C known creatives.
"""

import logging
import warnings

import numpy as np
import onnx
import torch
from onnx import TensorProto, compose, helper, numpy_helper
from torch import Tensor, nn

from stages.features.graph import BATCH, HASH_DOMAIN, IR_VERSION, ML_OPSET, OPSET, TABLE_IDX
from stages.models.calibration import calibrated_probability
from stages.models.network import CtrNetwork

IDS = ("cat_idx", "creative_idx")  # outputs of the encoder that the fused graph shows as well
PACKED_OPSET = 20  # of `ctr_packed.onnx`: the first with StringSplit
OWN_FIRST_DIM = ("creative_emb", "text")  # inputs whose first dimension is not the number of rows
EXAMPLE_ROWS = 3  # any number above one: a batch of one would be taken for a constant


class Probability(nn.Module):
    """The ranker's logit as a probability, with only the inputs that the data set has."""

    def __init__(self, network: CtrNetwork) -> None:
        super().__init__()
        self.ranker, self.calibration = network.ranker, network.calibration
        self.num_dense, self.creative_dim = len(network.spec.dense_names), network.creative_dim

    def forward(self, cat_idx: Tensor, num_feats: Tensor | None = None, creative_vector: Tensor | None = None) -> Tensor:
        empty = cat_idx.new_zeros(cat_idx.shape[0], 0, dtype=torch.float32)
        dense = empty if num_feats is None else num_feats
        logit = self.ranker(cat_idx, dense, empty if creative_vector is None else creative_vector)
        return calibrated_probability(logit, self.calibration)


class Look(nn.Module):
    """The creative tower with the graph's name for its input."""

    def __init__(self, network: CtrNetwork) -> None:
        super().__init__()
        self.creative_encoder = network.creative_encoder

    def forward(self, creative_pixels: Tensor) -> Tensor:
        return self.creative_encoder(creative_pixels)


def ranker_graph(network: CtrNetwork, table_CE: np.ndarray | None) -> onnx.ModelProto:
    """cat_idx, num_feats, creative_idx, creative_emb -> p_click float32 [B].

    creative_idx looks up `table_CE` (row 0: no image). Where it is 0, `creative_emb` is taken instead: an image's
    embedding, [B, E], or its default [1, E], which is row 0 of the table.
    """
    cat_idx = torch.zeros(EXAMPLE_ROWS, len(network.spec.num_ids), dtype=torch.int64)
    example = {"cat_idx": cat_idx}
    if network.spec.dense_names:
        example["num_feats"] = torch.zeros(EXAMPLE_ROWS, len(network.spec.dense_names))
    if table_CE is not None:
        example["creative_vector"] = torch.zeros(EXAMPLE_ROWS, table_CE.shape[1])
    core = _export(Probability(network), example, "p_click", "ranker")
    if table_CE is None:
        return core
    return finish(
        compose.merge_models(_creative_lookup(table_CE), core, io_map=[("creative_vector_out", "creative_vector")]),
        "ranker",
    )


def creative_encoder_graph(network: CtrNetwork) -> onnx.ModelProto:
    """creative_pixels uint8 [B, 3, S, S] -> creative_emb float32 [B, E]."""
    size = network.spec.image_size
    pixels = torch.zeros(EXAMPLE_ROWS, 3, size, size, dtype=torch.uint8)
    return _export(Look(network), {"creative_pixels": pixels}, "creative_emb", "creative_encoder")


def fused_graph(encoder: onnx.ModelProto, ranker: onnx.ModelProto, name: str = "ctr", opset: int = OPSET) -> onnx.ModelProto:
    """Raw columns in; p_click out, and what the encoder made of the rows (serving counts unknown and missing values)."""
    ranker = _apart(ranker)
    opset = max(opset, next(version.version for version in encoder.opset_import if not version.domain))
    if opset != OPSET:  # none of the ranker's operations changed between the two
        next(version for version in ranker.opset_import if not version.domain).version = opset
    wanted = {value.name for value in ranker.graph.input}
    made = {output.name for output in encoder.graph.output}
    if TABLE_IDX in made:  # what is shown as unknown has a row of the tables all the same
        _rename_input(ranker, "cat_idx", TABLE_IDX)
        wanted = (wanted - {"cat_idx"}) | {TABLE_IDX}
    io_map = [(output.name, output.name) for output in encoder.graph.output if output.name in wanted]
    shown = [output.name for output in encoder.graph.output if output.name in IDS]
    outputs = [*(output.name for output in ranker.graph.output), *shown]
    fused = compose.merge_models(encoder, ranker, io_map=io_map, outputs=outputs)
    by_name = {output.name: output for output in list(fused.graph.output)}
    del fused.graph.output[:]
    fused.graph.output.extend(by_name[name] for name in outputs)
    return finish(fused, name, opset)


def _apart(ranker: onnx.ModelProto) -> onnx.ModelProto:
    """A copy whose inner values no column shares a name with: torch calls them `view`, `add`, ..."""
    apart = onnx.ModelProto()
    apart.CopyFrom(ranker)
    graph = apart.graph
    kept = {value.name for value in (*graph.input, *graph.output)} | {""}
    for node in graph.node:
        node.input[:] = [name if name in kept else f"/ranker/{name}" for name in node.input]
        node.output[:] = [name if name in kept else f"/ranker/{name}" for name in node.output]
    for constant in graph.initializer:
        if constant.name not in kept:
            constant.name = f"/ranker/{constant.name}"
    return apart


def _rename_input(model: onnx.ModelProto, old: str, new: str) -> None:
    for node in model.graph.node:
        node.input[:] = [new if name == old else name for name in node.input]
    next(value for value in model.graph.input if value.name == old).name = new


def _creative_lookup(table_CE: np.ndarray) -> onnx.ModelProto:
    width = table_CE.shape[1]
    constants = {
        "creative_table": table_CE,
        "/zero_row": np.array(0, dtype=np.int64),
        "/axis": np.array([1], dtype=np.int64),
        "creative_emb": table_CE[:1],
    }
    nodes = [
        helper.make_node("Gather", ["creative_table", "creative_idx"], ["/known"], name="known_creative", axis=0),
        helper.make_node("Greater", ["creative_idx", "/zero_row"], ["/is_known"], name="is_known"),
        helper.make_node("Unsqueeze", ["/is_known", "/axis"], ["/is_known_wide"], name="is_known_wide"),
        helper.make_node("Where", ["/is_known_wide", "/known", "creative_emb"], ["creative_vector_out"], name="creative_vector"),
    ]
    inputs = [
        helper.make_tensor_value_info("creative_idx", TensorProto.INT64, [BATCH]),
        helper.make_tensor_value_info("creative_emb", TensorProto.FLOAT, ["creative_batch", width]),
    ]
    outputs = [helper.make_tensor_value_info("creative_vector_out", TensorProto.FLOAT, [BATCH, width])]
    tensors = [numpy_helper.from_array(np.ascontiguousarray(value), name) for name, value in constants.items()]
    graph = helper.make_graph(nodes, "creative_lookup", inputs, outputs, initializer=tensors)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)


def _export(module: nn.Module, example: dict[str, Tensor], output: str, name: str) -> onnx.ModelProto:
    batch = torch.export.Dim(BATCH, min=1)
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)  # it reports its own progress as warnings
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore", category=DeprecationWarning)  # raised inside torch.export, nothing of ours
        warnings.simplefilter("ignore", category=FutureWarning)
        warnings.filterwarnings("ignore", message=".*axis name: batch will not be used.*")  # one name for all inputs is meant
        program = torch.onnx.export(
            module.eval(),
            kwargs=example,
            input_names=list(example),
            output_names=[output],
            dynamic_shapes={key: {0: batch} for key in example},
            opset_version=OPSET,
            dynamo=True,
            external_data=False,
            verbose=False,
        )
    return finish(program.model_proto, name)


def finish(model: onnx.ModelProto, name: str, opset: int = OPSET) -> onnx.ModelProto:
    """The graph without traces of the machine and the tools that made it, named and checked."""
    graph = model.graph
    for item in (model, graph, *graph.node, *graph.input, *graph.output, *graph.value_info, *graph.initializer):
        del item.metadata_props[:]
        item.doc_string = ""
    del graph.value_info[:]
    del model.functions[:]
    graph.name, model.producer_name, model.producer_version, model.ir_version = name, "adclick", "", IR_VERSION
    used = {node.domain for node in graph.node} | {""}
    versions = {"": opset, "ai.onnx.ml": ML_OPSET, HASH_DOMAIN: 1}
    del model.opset_import[:]
    model.opset_import.extend(helper.make_opsetid(domain, versions[domain]) for domain in sorted(used))
    for value in (*graph.input, *graph.output):
        first = value.type.tensor_type.shape.dim[0]
        if value.name not in OWN_FIRST_DIM or value in graph.output:
            first.Clear()
            first.dim_param = BATCH
    onnx.checker.check_model(model, full_check=True)
    return model
