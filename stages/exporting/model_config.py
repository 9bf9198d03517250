"""Triton's `config.pbtxt` of every model of the repository, built through the protobuf `ModelConfig`."""

import json
from dataclasses import asdict, fields
from typing import Any

from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2 as triton

from contracts.dataset.columns import Column
from contracts.serving.config import RepositoryConfig
from contracts.serving.journal import KEY, PREDICTION_ID
from contracts.serving.request import CATEGORICAL, IMAGE, LISTS, MODEL_VERSION, NUMERIC, PROBABILITY, RENAMED, RequestSpec

LABELS = "labels.txt"
CREATIVE_BATCH = 16  # images a request to creative_encoder
Warmups = dict[str, dict[str, tuple[str, tuple[int, ...]]]]  # sample -> tensor -> file, dims


def as_text(config: triton.ModelConfig) -> str:
    return text_format.MessageToString(config)


def public_config(name: str, request: RequestSpec, repository: RepositoryConfig, instances: int = 1) -> triton.ModelConfig:
    """What `ctr` and `ctr_by_name` share: outputs, queue, and the parameters from which a client builds its requests."""
    config = _python_model(name, repository, instances)
    config.output.add(name=PROBABILITY, data_type=triton.TYPE_FP32, dims=[1], label_filename=LABELS)
    config.output.add(name=MODEL_VERSION, data_type=triton.TYPE_INT64, dims=[1])
    config.output.add(name=PREDICTION_ID, data_type=triton.TYPE_STRING, dims=[1])
    columns = {CATEGORICAL: [c.name for c in request.categorical], NUMERIC: [c.name for c in request.numeric]}
    parameters = {
        "declaration": request.digest,
        "columns": json.dumps([described_column(column) for column in (*request.instants, *request.columns)]),
        "creative_column": request.creative or "",
        "max_image_bytes": str(repository.max_image_bytes),
        "max_image_pixels": str(repository.max_image_pixels),
        "max_request_bytes": str(repository.max_request_bytes),
        **{f"{kind}_columns": json.dumps(names) for kind, names in columns.items()},
        **({LISTS: json.dumps([described_column(column) for column in request.lists])} if request.lists else {}),
        **({RENAMED: json.dumps(dict(request.rename))} if request.rename else {}),
    }
    for key, value in parameters.items():
        config.parameters[key].string_value = value
    return config


def ctr_config(
    request: RequestSpec, repository: RepositoryConfig, warmups: Warmups, name: str = "ctr", backend: str = "python"
) -> triton.ModelConfig:
    """Model `ctr`: a packed tensor for each kind of column that there is, and one of images where creatives have any.

    All inputs are optional for Triton, so that the model words what is missing. Their widths are fixed: what announces another
    one is refused before memory is set aside for it.
    """
    config = public_config(name, request, repository, repository.instances)
    config.backend = backend
    for name, kind, columns in (
        (CATEGORICAL, triton.TYPE_STRING, request.categorical), (NUMERIC, triton.TYPE_FP32, request.numeric),
    ):  # fmt: skip
        if columns:
            config.input.add(name=name, data_type=kind, dims=[len(columns)], optional=True)
    _offer_images(config, request)
    _offer_keys(config)
    # the largest batch as well: buffers of ONNX Runtime and Python grow to their size before the first request
    _warm_up(config, warmups, sorted({1, min(64, repository.max_batch_size), repository.max_batch_size}))
    return config


def ctr_by_name_config(request: RequestSpec, repository: RepositoryConfig) -> triton.ModelConfig:
    """Model `ctr_by_name`: a tensor a column; of one with several values another that has them all."""
    config = public_config("ctr_by_name", request, repository)
    for column in request.columns:
        kind = triton.TYPE_FP32 if column in request.numeric else triton.TYPE_STRING
        config.input.add(name=column.name, data_type=kind, dims=[1], optional=True)
    for column in request.lists:
        config.input.add(name=column.name, data_type=triton.TYPE_STRING, dims=[-1], optional=True)
    _offer_images(config, request)
    if KEY not in {column.name for column in request.columns}:
        _offer_keys(config)
    return config


def creative_encoder_config(repository: RepositoryConfig, warmups: Warmups) -> triton.ModelConfig:
    """Model `creative_encoder`: an image's bytes in, its embedding out, and its looks if asked for; answers are cached."""
    config = _python_model("creative_encoder", repository, 1)
    config.max_batch_size = CREATIVE_BATCH
    config.input.add(name="image", data_type=triton.TYPE_STRING, dims=[1])
    config.output.add(name="creative_emb", data_type=triton.TYPE_FP32, dims=[-1])
    config.output.add(name="creative_look", data_type=triton.TYPE_FP64, dims=[-1])  # where a journal is kept
    config.response_cache.enable = True
    _warm_up(config, warmups, [1])
    return config


def join_requests(config: triton.ModelConfig, repository: RepositoryConfig) -> None:
    """Batches of what waits. No queue policy: with one, requests get stuck in Triton (see serving/triton/backlog.py)."""
    config.dynamic_batching.SetInParent()
    config.dynamic_batching.max_queue_delay_microseconds = repository.max_queue_delay_us


def _offer_images(config: triton.ModelConfig, request: RequestSpec) -> None:
    if request.creative is not None:
        config.input.add(name=IMAGE, data_type=triton.TYPE_STRING, dims=[1], optional=True)


def _offer_keys(config: triton.ModelConfig) -> None:
    config.input.add(name=KEY, data_type=triton.TYPE_STRING, dims=[1], optional=True)


def _python_model(name: str, repository: RepositoryConfig, instances: int) -> triton.ModelConfig:
    config = triton.ModelConfig(name=name, backend="python", max_batch_size=repository.max_batch_size)
    config.version_policy.latest.num_versions = 1
    config.instance_group.add(count=instances, kind=triton.ModelInstanceGroup.KIND_CPU)
    join_requests(config, repository)
    return config


def described_column(column: Column) -> dict[str, Any]:
    """What the declaration says of a column, defaults left out."""
    defaults = {field.name: field.default for field in fields(Column)}
    return {key: value for key, value in asdict(column).items() if key not in defaults or value != defaults[key]}


def _warm_up(config: triton.ModelConfig, warmups: Warmups, batch_sizes: list[int]) -> None:
    kinds = {value.name: value.data_type for value in config.input}
    for sample, tensors in warmups.items():
        for batch_size in batch_sizes:
            warmup = config.model_warmup.add(name=f"{sample} x {batch_size}", batch_size=batch_size)
            for name, (file, dims) in tensors.items():
                warmup.inputs[name].data_type = kinds[name]
                warmup.inputs[name].dims.extend(dims)
                warmup.inputs[name].input_data_file = file
