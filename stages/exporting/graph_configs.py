"""`config.pbtxt` of the graphs that NVIDIA's image runs itself: `encoder` on the CPU, `ranker` on the GPU, and the
ensemble that joins them. Names, types and dims are read off the ONNX files.

The parameters of TensorRT are those of the onnxruntime backend (its README, "ONNX Runtime with TensorRT optimization").
"""

import onnx
from onnx import TensorProto
from tritonclient.grpc import model_config_pb2 as triton

from contracts.serving.config import RepositoryConfig
from stages.exporting.model_config import join_requests
from stages.features.graph import TABLE_IDX

MODEL_FILE = "model.onnx"
ENCODER, RANKER = "encoder", "ranker"
ENSEMBLE = "ctr_graph_1"  # of the exported version; a release gives it its own number
ENGINES = "/engines"  # in the container: a volume that holds what TensorRT has built
USUAL_ROWS = 64  # the batch that TensorRT chooses its kernels for
SHOWN = ("p_click", "cat_idx", "creative_idx")  # outputs of the ensemble
TYPES = {
    TensorProto.STRING: triton.TYPE_STRING,
    TensorProto.FLOAT: triton.TYPE_FP32,
    TensorProto.INT64: triton.TYPE_INT64,
}


def encoder_config(graph: onnx.GraphProto, ranker: onnx.GraphProto, repository: RepositoryConfig) -> triton.ModelConfig:
    """Raw columns in, ids and floats out: those outputs that the ranker or a reader of the ensemble takes."""
    config = _onnx_model(ENCODER, repository, triton.ModelInstanceGroup.KIND_CPU, repository.instances)
    config.parameters["intra_op_thread_count"].string_value = str(repository.ort_threads)
    taken = {value.name for value in ranker.input} | {*SHOWN, TABLE_IDX}
    _add_tensors(config, graph.input, [value for value in graph.output if value.name in taken])
    _warm_up(config, [1, min(USUAL_ROWS, repository.max_batch_size)])
    return config


def ranker_config(graph: onnx.GraphProto, digest: str, repository: RepositoryConfig) -> triton.ModelConfig:
    """Ids and floats in, probability out, by TensorRT; what TensorRT cannot run is left to CUDA, which is always there.

    `digest` is the file's sha-256. TensorRT's own key of a built engine leaves the weights out
    (github.com/microsoft/onnxruntime/issues/6455), so that without it a model trained anew would get the old engine.
    """
    config = _onnx_model(RANKER, repository, triton.ModelInstanceGroup.KIND_GPU, 1)
    _add_tensors(config, graph.input, graph.output)
    tensorrt = config.optimization.execution_accelerators.gpu_execution_accelerator.add(name="tensorrt")
    for bound, rows in profile_rows(repository).items():
        tensorrt.parameters[f"trt_profile_{bound}_shapes"] = ",".join(_shape(value, rows) for value in graph.input)
    tensorrt.parameters["trt_engine_cache_enable"] = "true"
    tensorrt.parameters["trt_engine_cache_path"] = f"{ENGINES}/{digest[:16]}"
    _warm_up(config, sorted(set(profile_rows(repository).values())))
    return config


def ensemble_config(encoder: triton.ModelConfig, ranker: triton.ModelConfig, repository: RepositoryConfig) -> triton.ModelConfig:
    """A tensor a column, and `creative_emb` if the ranker takes it; out comes what SHOWN names."""
    config = triton.ModelConfig(name=ENSEMBLE, platform="ensemble", max_batch_size=repository.max_batch_size)
    config.version_policy.latest.num_versions = 1
    made = {value.name for value in encoder.output}
    for value in (*encoder.input, *(value for value in ranker.input if value.name not in made)):
        config.input.add(name=value.name, data_type=value.data_type, dims=value.dims)
    outputs = {value.name: value for value in (*encoder.output, *ranker.output)}
    for name in SHOWN:
        if name in outputs:
            config.output.add(name=name, data_type=outputs[name].data_type, dims=outputs[name].dims)
    for model in (encoder, ranker):
        step = config.ensemble_scheduling.step.add(model_name=model.name, model_version=-1)
        step.input_map.update({value.name: value.name for value in model.input})
        if model is ranker and TABLE_IDX in made:  # what is shown as unknown has a row of the tables all the same
            step.input_map["cat_idx"] = TABLE_IDX
        step.output_map.update({value.name: value.name for value in model.output})
    return config


def profile_rows(repository: RepositoryConfig) -> dict[str, int]:
    """The batches that TensorRT's engine is built for."""
    return {"min": 1, "opt": min(USUAL_ROWS, repository.max_batch_size), "max": repository.max_batch_size}


def _onnx_model(name: str, repository: RepositoryConfig, kind: int, instances: int) -> triton.ModelConfig:
    config = triton.ModelConfig(name=name, backend="onnxruntime", max_batch_size=repository.max_batch_size)
    config.default_model_filename = MODEL_FILE
    config.version_policy.latest.num_versions = 1
    config.instance_group.add(count=instances, kind=kind)
    join_requests(config, repository)
    return config


def _add_tensors(config: triton.ModelConfig, inputs: list[onnx.ValueInfoProto], outputs: list[onnx.ValueInfoProto]) -> None:
    """Triton leaves the batch dim out and wants one that remains: a [batch] of ONNX is [1] outside, reshaped to []."""
    for values, described in ((inputs, config.input), (outputs, config.output)):
        for value in values:
            tensor = described.add(name=value.name, data_type=TYPES[value.type.tensor_type.elem_type])
            tensor.dims.extend(_dims(value) or [1])
            if not _dims(value):
                tensor.reshape.SetInParent()


def _warm_up(config: triton.ModelConfig, batch_sizes: list[int]) -> None:
    """Rows of zeros and empty strings: every id of 0 is known to the model as unknown."""
    for batch_size in batch_sizes:
        warmup = config.model_warmup.add(name=f"zeros x {batch_size}", batch_size=batch_size)
        for value in config.input:
            warmup.inputs[value.name].data_type = value.data_type
            warmup.inputs[value.name].dims.extend(value.dims)
            warmup.inputs[value.name].zero_data = True


def _dims(value: onnx.ValueInfoProto) -> list[int]:
    return [dim.dim_value for dim in value.type.tensor_type.shape.dim][1:]


def _shape(value: onnx.ValueInfoProto, rows: int) -> str:
    """As TensorRT's provider reads it: name:ROWSxWIDTH."""
    return f"{value.name}:" + "x".join(map(str, [rows, *_dims(value)]))
