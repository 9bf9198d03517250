"""The `serving` section of `params.yaml`: what stage export bakes into the model repository, and how the server runs."""

from typing import Literal

from pydantic import ConfigDict, Field, model_validator
from pydantic.dataclasses import dataclass

Hiding = Literal["as_is", "drop", "keyed_hash"]  # of a value in the journal; a hash is an HMAC-SHA256
STRICT = ConfigDict(extra="forbid", allow_inf_nan=False)


@dataclass(frozen=True, kw_only=True, config=STRICT)
class RepositoryConfig:
    """What `config.pbtxt` says and what the models enforce; a change makes a new export."""

    max_batch_size: int = Field(ge=1, le=65536)  # rows a request, and rows that are joined into one call of the graph
    native: bool  # `ctr` is the backend in serving/native; if not, it is a Python model (always so in the container)
    instances: int = Field(ge=1, le=64)  # threads that answer `ctr`, and processes for what has to be looked at by Python
    ort_threads: int = Field(ge=1, le=64)  # of each instance
    max_queue_delay_us: int = Field(ge=0)  # microseconds a request waits for others to share its batch
    max_queue_size: int = Field(ge=1, le=2**31 - 1)  # requests that may wait; while more do, they are refused
    max_request_bytes: int = Field(ge=1024, le=2**40)  # of all strings of a request together, and of all its images
    max_string_bytes: int = Field(ge=1)  # of one string, where its column declares no max_length
    max_image_bytes: int = Field(ge=64)  # of one encoded creative
    max_image_pixels: int = Field(ge=1)  # width times height, told before it is decoded
    metrics_interval_s: float = Field(ge=0.001, le=86400)  # between two additions to the Prometheus counters
    gpu_precision: Literal["FP32", "FP16"]  # of the ranker in the container packaging


@dataclass(frozen=True, kw_only=True, config=STRICT)
class ServerConfig:
    """Where the server listens and for how long it is waited."""

    host: str  # address to bind; anything but loopback opens the server to others
    http_port: int = Field(ge=1, le=65535)
    grpc_port: int = Field(ge=1, le=65535)
    metrics_port: int = Field(ge=1, le=65535)
    store: str  # folder of the released models, Triton's model repository
    secret_file: str  # holds the secret of the closed APIs, mode 0600; made if missing
    ready_timeout_s: float = Field(gt=0)  # from start to ready
    exit_timeout_s: int = Field(ge=1)  # for requests in flight when the server is told to stop
    cache_mib: int = Field(ge=1)  # response cache of creative_encoder
    tls_cert: str | None  # PEM file; with tls_key, gRPC speaks TLS
    tls_key: str | None
    image: str = Field(pattern=r"^[^:]+:[^:]+-py3$")  # NVIDIA's container, pinned by its tag
    shm_mib: int = Field(ge=16)  # /dev/shm of the container

    @model_validator(mode="after")
    def _fits_together(self) -> "ServerConfig":
        if (self.tls_cert is None) != (self.tls_key is None):
            raise ValueError("tls_cert and tls_key are given together")
        if len({self.http_port, self.grpc_port, self.metrics_port}) < 3:
            raise ValueError(f"the three ports must differ, got {self.http_port}, {self.grpc_port}, {self.metrics_port}")
        return self


@dataclass(frozen=True, kw_only=True, config=STRICT)
class JournalConfig:
    """What the server writes down of every answer, and where; read when it starts (docs/journal.md)."""

    enabled: bool
    folder: str = Field(min_length=1, max_length=1000)  # of one server
    segment_mib: float = Field(gt=0, le=2**20)  # a file that has grown so large is closed, and may be made Parquet
    segment_s: float = Field(gt=0, le=86400)  # and one that is so old
    on_error: Literal["answer", "refuse"]  # what cannot be written is answered and counted, or not answered
    sync_ms: int = Field(ge=0, le=2**31 - 1)  # between two commits to the disk; 0: when the operating system likes
    keep_days: float | None = Field(gt=0)  # older segments and Parquet files go; None: none does because it is old
    max_gib: float | None = Field(gt=0)  # of segments and Parquet files together; None: no bound
    images: Literal["none", "unknown", "all"]  # that are kept: of creatives that the model did not know, or every one
    images_keep_days: float = Field(gt=0, le=36500)  # an image is removed so long after it came last
    images_max_gib: float = Field(gt=0, le=2**20)  # of all images; what came longest ago is removed first
    columns: dict[str, Hiding]  # those that are not written as they came; of the served release's declaration
    caller_key: Hiding  # the key that a caller may send with a row
    key_file: str = Field(min_length=1, max_length=1000)  # holds the key of keyed_hash, mode 0600; made if missing


@dataclass(frozen=True, kw_only=True, config=STRICT)
class RoutingConfig:
    """What a rollout begins with; `make route` writes it into the route (docs/routing.md)."""

    valid_s: int = Field(ge=1, le=2_592_000)  # until the champion answers all, unless somebody renews the route
    shadow_share: float = Field(ge=0, le=100)  # percent of the keyed requests, in mode shadow
    pair_share: float = Field(ge=0, le=100)  # the same in the modes canary and ab
    timeout_ms: int = Field(ge=1)  # a request waits no longer for the challenger
    max_p99_ms: int = Field(ge=1)  # of the challenger, from being handed over to its answer
    max_error_share: float = Field(ge=0, le=1)  # of the challenger's requests
    max_timeout_share: float = Field(ge=0, le=1)
    max_mean_ratio: float = Field(ge=1, le=1000)  # mean prediction by the champion's on the same rows, and its inverse
    min_distinct_ratio: float = Field(ge=0, le=1)  # distinct answers by the champion's on the same rows
    max_slowdown: float = Field(ge=1, le=1000)  # computing time by the champion's on the same rows


@dataclass(frozen=True, kw_only=True, config=STRICT)
class ServingConfig:
    repository: RepositoryConfig
    server: ServerConfig
    journal: JournalConfig
    routing: RoutingConfig
