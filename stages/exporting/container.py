"""The exported model as a Triton model repository for NVIDIA's image: the graphs run in Triton itself, `encoder` on the
CPU and `ranker` on the GPU, joined by an ensemble; the doors before them are those of the embedded packaging.
"""

import hashlib
from pathlib import Path

import onnx
import polars as pl

from contracts.dataset.declaration import Declaration
from contracts.local_libraries import onnx_float16
from contracts.serving.config import RepositoryConfig
from contracts.serving.request import request_of
from stages.exporting.graph_configs import MODEL_FILE, encoder_config, ensemble_config, ranker_config
from stages.exporting.graphs import finish
from stages.exporting.model_config import ctr_config
from stages.exporting.repository import PROFILE, PROVENANCE, request_settings, write_companions, write_model
from stages.features.graph import BATCH


def write_container(
    folder: Path, export_dir: Path, declaration: Declaration, config: RepositoryConfig, sample: pl.DataFrame
) -> None:
    """Write the container packaging to `folder`. `sample` is a clean row for the warm-up requests."""
    request = request_of(declaration)
    settings = request_settings(export_dir, request, config)
    encoder = onnx.load(export_dir / "encoder.onnx")
    ranker = served_ranker(export_dir / "ranker.onnx", config.gpu_precision)
    encoder_bytes, ranker_bytes = (graph.SerializeToString(deterministic=True) for graph in (encoder, ranker))
    of_encoder = encoder_config(encoder.graph, ranker.graph, config)
    of_ranker = ranker_config(ranker.graph, hashlib.sha256(ranker_bytes).hexdigest(), config)
    write_model(folder, of_encoder, contents={MODEL_FILE: encoder_bytes})
    write_model(folder, of_ranker, contents={MODEL_FILE: ranker_bytes})
    write_model(folder, ensemble_config(of_encoder, of_ranker, config))
    # no warm-up: Triton loads `ctr` beside the graphs that it calls, not after them; those have their own
    write_model(folder, ctr_config(request, config, {}), settings, [export_dir / name for name in (*PROVENANCE, PROFILE)])
    write_companions(folder, export_dir, request, config, settings)


def served_ranker(path: Path, precision: str) -> onnx.ModelProto:
    """The ranker with `creative_emb` as an input like the others, [B, E]: Triton allows no optional input in a batch.

    FP16 is written into the graph: TensorRT 11 goes by the graph's types and has no such option any more.
    """
    model = onnx.load(path)
    kept = [constant for constant in model.graph.initializer if constant.name != "creative_emb"]
    del model.graph.initializer[:]
    model.graph.initializer.extend(kept)
    if precision == "FP16":
        model = onnx_float16().convert_float_to_float16(model, keep_io_types=True)
        given = {value.name for value in model.graph.input}
        model.graph.node.sort(key=lambda node: node.op_type != "Cast" or node.input[0] not in given)  # it appends them
    for value in model.graph.input:
        value.type.tensor_type.shape.dim[0].dim_param = BATCH
    return finish(model, "ranker")
