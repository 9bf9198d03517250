"""Config sections `model`, `train` and `trainer`: what each field means. Defaults live in conf/.

torch is not imported here; what trains imports this for types only, so that it runs where pydantic is missing (bench/gpu).
"""

from dataclasses import replace
from typing import Annotated, Literal

from pydantic import ConfigDict, Field, model_validator
from pydantic.dataclasses import dataclass

FORBID = ConfigDict(extra="forbid", allow_inf_nan=False)
Width = Annotated[int, Field(ge=1, le=8192)]
Dropout = Annotated[float, Field(ge=0, le=0.99)]
HiddenDims = Annotated[list[Width], Field(min_length=1, max_length=12)]


@dataclass(frozen=True, kw_only=True, config=FORBID)
class NetworkConfig:
    creative_dim: Annotated[int, Field(ge=0, le=1024)]  # width of a creative's embedding; 0 leaves the pixels out
    creative_channels: Annotated[list[Width], Field(min_length=1, max_length=5)]  # one convolution of stride 2 each


@dataclass(frozen=True, kw_only=True, config=FORBID)
class LogisticConfig(NetworkConfig):
    name: Literal["logistic"]


@dataclass(frozen=True, kw_only=True, config=FORBID)
class DeepFMConfig(NetworkConfig):
    name: Literal["deepfm"]
    embedding_dim: Width  # values per id
    hidden_dims: HiddenDims  # widths of the deep part
    dropout: Dropout  # share of hidden units switched off in a step


@dataclass(frozen=True, kw_only=True, config=FORBID)
class DCNv2Config(NetworkConfig):
    name: Literal["dcnv2"]
    embedding_dim: Width
    hidden_dims: HiddenDims
    dropout: Dropout
    structure: Literal["parallel", "stacked"]  # deep part beside the cross layers, or on top of them
    num_cross_layers: Annotated[int, Field(ge=1, le=12)]
    cross_rank: Annotated[int, Field(ge=0, le=8192)]  # rank of a cross layer's matrix; 0 means full


@dataclass(frozen=True, kw_only=True, config=FORBID)
class DINConfig(NetworkConfig):
    name: Literal["din"]
    embedding_dim: Width
    attention_dims: HiddenDims  # widths of the network that weighs a sequence's values
    hidden_dims: HiddenDims
    dropout: Dropout
    structure: Literal["parallel", "stacked"]
    num_cross_layers: Annotated[int, Field(ge=1, le=12)]
    cross_rank: Annotated[int, Field(ge=0, le=8192)]


@dataclass(frozen=True, kw_only=True, config=FORBID)
class FinalMLPConfig(NetworkConfig):
    name: Literal["finalmlp"]
    embedding_dim: Width
    dropout: Dropout
    stream1_dims: HiddenDims
    stream2_dims: HiddenDims
    gate_dims: HiddenDims  # hidden widths of the network that weighs the inputs of a stream
    gate1_fields: list[str]  # categorical fields that steer stream 1's gate; none means a learnt constant
    gate2_fields: list[str]
    num_heads: Annotated[int, Field(ge=1, le=64)]  # heads of the bilinear fusion; divides both streams' last width

    @model_validator(mode="after")
    def _heads_divide_streams(self) -> "FinalMLPConfig":
        for name, dims in (("stream1_dims", self.stream1_dims), ("stream2_dims", self.stream2_dims)):
            if dims[-1] % self.num_heads:
                raise ValueError(f"{name} must end in a multiple of num_heads = {self.num_heads}, got {dims[-1]}")
        return self


ModelConfig = Annotated[
    LogisticConfig | DeepFMConfig | DCNv2Config | DINConfig | FinalMLPConfig,
    Field(discriminator="name"),
]


@dataclass(frozen=True, kw_only=True, config=FORBID)
class TrainConfig:
    seed: Annotated[int, Field(ge=0, lt=2**63)]
    start: Literal["scratch", "champion"]  # initial weights: random ones, or the champion's
    champion_lr_frac: Annotated[float, Field(gt=0, le=1)]  # started from the champion: the peak of the rate, as a share of `lr`
    champion_max_epochs: Annotated[int, Field(ge=1)]  # started from the champion: instead of `max_epochs`
    batch_size: Annotated[int, Field(ge=1)]  # rows a step, over all devices together
    min_steps_per_epoch: Annotated[int, Field(ge=1)]  # smaller data sets get smaller batches, so that they learn as much
    max_epochs: Annotated[int, Field(ge=1)]
    lr: Annotated[float, Field(gt=0, le=1)]  # peak learning rate
    warmup_frac: Annotated[float, Field(ge=0, lt=1)]  # share of all steps in which the rate climbs to its peak
    schedule: Literal["constant", "cosine"]  # what the rate does after the warm-up
    final_lr_frac: Annotated[float, Field(ge=0, le=1)]  # where the cosine ends, as a share of the peak
    weight_decay: Annotated[float, Field(ge=0, lt=100)]  # of all weights but embeddings, biases and norms
    embedding_weight_decay: Annotated[float, Field(ge=0, lt=100)]  # of the embedding tables
    clip_norm: Annotated[float, Field(ge=0)]  # largest gradient norm; 0 clips nothing
    unknown_prior_clicks: Annotated[
        float, Field(ge=0)
    ]  # clicks k, at most; an id with m clicks is hidden in k / (k + m) of its rows; k is found for each field
    keep_negatives: Annotated[float, Field(gt=0, le=1)]  # share of the rows without a click that an epoch takes
    no_image_frac: Annotated[float, Field(ge=0, lt=1)]  # share of rows shown without their image
    average_frac: Annotated[float, Field(ge=0, le=1)]  # share of the steps so far that the weights which are kept average
    patience_epochs: Annotated[int, Field(ge=1)]  # epochs without a better val/log_loss before training stops
    min_delta: Annotated[float, Field(ge=0)]  # smallest fall of val/log_loss that counts as better
    log_every_steps: Annotated[int, Field(ge=1)]  # steps that one point of the training curve averages
    checkpoint_every_steps: Annotated[int, Field(ge=1)]  # steps lost at most when training is killed

    def in_force(self) -> "TrainConfig":
        """The same settings with the rate and the epochs of this start in `lr` and `max_epochs`."""
        if self.start == "scratch":
            return self
        return replace(self, lr=self.lr * self.champion_lr_frac, max_epochs=self.champion_max_epochs)


@dataclass(frozen=True, kw_only=True, config=FORBID)
class TrainerConfig:
    accelerator: Literal["cpu", "gpu"]
    devices: Annotated[int, Field(ge=1, le=1024)]  # devices on this machine
    strategy: Literal["auto", "ddp"]
    precision: Literal["32-true", "bf16-mixed"]
    matmul_precision: Literal["highest", "high", "medium"]  # of float32 matrix products in training steps
    num_threads: Annotated[int, Field(ge=1, le=1024)]  # CPU threads of one process
    deterministic: bool  # same bits every time; slower on a GPU
    portable: bool  # same bits on every x86-64 processor with AVX2, whoever made it; takes about twice as long
    device_memory_frac: Annotated[float, Field(ge=0, le=0.9)]  # of a device's free memory; arrays that fit are kept there
    prefetch_batches: Annotated[int, Field(ge=0, le=64)]  # batches prepared ahead by a thread where they are not; 0 uses none

    @model_validator(mode="after")
    def _several_devices_need_ddp(self) -> "TrainerConfig":
        if self.devices > 1 and self.strategy != "ddp":
            raise ValueError(f"strategy must be 'ddp' with devices = {self.devices}, got '{self.strategy}'")
        return self

    @model_validator(mode="after")
    def _portable_is_exact(self) -> "TrainerConfig":
        needed = {"accelerator": "cpu", "precision": "32-true", "matmul_precision": "highest", "deterministic": True}
        wrong = {name: getattr(self, name) for name, value in needed.items() if getattr(self, name) != value}
        if self.portable and wrong:
            asked = ", ".join(f"{name} = {needed[name]}" for name in wrong)
            got = ", ".join(str(value) for value in wrong.values())
            raise ValueError(f"portable needs {asked}, got {got}; take trainer=portable, or set trainer.portable to false")
        return self
