"""The settings of a load run: `conf/loadtest/<shape>.yaml` on top of `base.yaml`, with what the command line overrides."""

import re
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal

import yaml
from hydra import compose, initialize_config_dir
from hydra.errors import HydraException
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from pydantic import ConfigDict, Field, TypeAdapter, ValidationError, model_validator
from pydantic.dataclasses import dataclass

from contracts.dataset.config_errors import ConfigError, describe

CONF = Path(__file__).resolve().parents[1] / "conf/loadtest"
STRICT = ConfigDict(extra="forbid")
BASE = "base"
MAPPINGS = ("kinds", "rows_per_request")  # given on the command line they replace; Hydra alone would merge them


@dataclass(frozen=True, kw_only=True, config=STRICT)
class Stage:
    """A part of a run with the same load: so many users, or so many arrivals a second."""

    seconds: float = Field(gt=0)
    users: int | None = Field(default=None, ge=1)
    rate: float | None = Field(default=None, gt=0)

    @model_validator(mode="after")
    def _one_load(self) -> "Stage":
        if (self.users is None) == (self.rate is None):
            raise ValueError("a stage has either users or a rate")
        return self


@dataclass(frozen=True, kw_only=True, config=STRICT)
class Thresholds:
    """Limits of what is measured; None: not judged. `error_share` to `overloaded_p95_ms` are the most, others the least."""

    p50_ms: float | None = Field(gt=0)
    p95_ms: float | None = Field(gt=0)
    p99_ms: float | None = Field(gt=0)
    rows_per_s: float | None = Field(gt=0)
    requests_per_s: float | None = Field(gt=0)
    error_share: float | None = Field(ge=0, le=1)
    overloaded_share: float | None = Field(ge=0, le=1)
    overloaded_p95_ms: float | None = Field(gt=0)
    refused_share: float | None = Field(ge=0, le=1)


@dataclass(frozen=True, kw_only=True, config=STRICT)
class LoadConfig:
    """A load run. The meaning of each key stands beside it in conf/loadtest/base.yaml."""

    shape: str
    seed: int = Field(ge=0)
    processes: int = Field(ge=1, le=64)
    host: str | None
    http_port: int | None = Field(ge=1, le=65535)
    grpc_port: int | None = Field(ge=1, le=65535)
    metrics_port: int | None = Field(ge=1, le=65535)
    kinds: dict[Literal["grpc", "http_binary", "http_json"], float]
    rows_per_request: dict[int, float]
    image_share: float = Field(ge=0, le=1)
    malformed_share: float = Field(ge=0, lt=1)
    traffic_rows: int = Field(ge=1)
    bodies_per_kind: int = Field(ge=1, le=100_000)
    timeout_s: float = Field(gt=0)
    tolerance: float = Field(gt=0)
    max_in_flight: int = Field(ge=1)
    arrivals: Literal["poisson", "constant"]
    warmup_s: float = Field(ge=0)
    users: int | None = Field(ge=1)
    rate: float | None = Field(gt=0)
    seconds: float | None = Field(gt=0)
    stages: tuple[Stage, ...] = Field(min_length=1)
    thresholds: Thresholds

    @model_validator(mode="after")
    def _fits_together(self) -> "LoadConfig":
        for name in MAPPINGS:
            shares = getattr(self, name)
            if any(share < 0 for share in shares.values()) or not any(shares.values()):
                raise ValueError(f"{name} needs shares of at least 0 that are not all 0, got {shares}")
        if any(rows < 1 for rows in self.rows_per_request):
            raise ValueError(f"rows_per_request needs numbers of rows of at least 1, got {sorted(self.rows_per_request)}")
        if len({stage.rate is None for stage in self.stages}) > 1:
            raise ValueError("all stages have users, or all have a rate")
        if not self.open_loop and min(stage.users for stage in self.stages) < self.processes:
            raise ValueError(f"processes must be at most the users of each stage, got {self.processes}")
        for name, used in (
            ("users", max((stage.users or 0) for stage in self.stages)),
            ("rate", max((stage.rate or 0) for stage in self.stages)),
            ("seconds", self.total_s),
        ):
            if getattr(self, name) not in (None, used):
                raise ValueError(f"{name} is not used by shape {self.shape}, whose stages say what they hold; give stages=[...]")
        return self

    @property
    def open_loop(self) -> bool:
        """Do requests arrive at a rate, whether or not earlier ones were answered."""
        return self.stages[0].rate is not None

    @property
    def total_s(self) -> float:
        """Seconds that are measured."""
        return sum(stage.seconds for stage in self.stages)

    def stage_at(self, elapsed_s: float) -> Stage | None:
        """The stage of a moment since the start, of which the warm-up is the first stage's; None when all are over."""
        end_s = self.warmup_s
        for stage in self.stages:
            end_s += stage.seconds
            if elapsed_s < end_s:
                return stage
        return None


def shapes(conf: Path = CONF) -> list[str]:
    """Names of the shapes that there are."""
    return sorted(path.stem for path in conf.glob("*.yaml") if path.stem != BASE)


def load_settings(shape: str, overrides: list[str], conf: Path = CONF) -> LoadConfig:
    """The checked settings of a shape. Raises ConfigError with one sentence."""
    if shape not in shapes(conf):
        raise ConfigError(f"there is no shape '{shape}' in conf/loadtest/; there are {', '.join(shapes(conf))}")
    try:
        with initialize_config_dir(str(conf.resolve()), version_base="1.3"):
            config = compose(shape, overrides=[part for override in overrides for part in replacing(override)])
        values = OmegaConf.to_container(config, resolve=True, throw_on_missing=True)
    except (HydraException, OmegaConfBaseException, yaml.YAMLError) as error:
        sentence = " ".join(str(error).split())
        raise ConfigError(f"conf/loadtest/{shape}.yaml does not compose with {overrides}: {sentence}") from error
    return check_settings({"shape": shape, **values})


def replacing(override: str) -> list[str]:
    """`key=value` as Hydra takes it: a mapping is replaced as a whole, and an unknown key is left to our own check."""
    name, equals, value = override.partition("=")
    if not equals or not re.fullmatch(r"\w+(\.\w+)*", name):
        raise ConfigError(f"expected key=value with a key of conf/loadtest/base.yaml, got '{override}'")
    return [f"~{name}", f"+{name}={value}"] if name in MAPPINGS else [f"++{name}={value}"]


def check_settings(values: dict[str, Any]) -> LoadConfig:
    try:
        return TypeAdapter(LoadConfig).validate_python(values)
    except ValidationError as error:
        sentence = describe(error, "loadtest", LoadConfig, values)
        raise ConfigError(re.sub(r"^loadtest\.?(: )?", "", sentence).replace("in conf/", "in conf/loadtest/")) from error


def as_values(config: LoadConfig) -> dict[str, Any]:
    """The settings as plain JSON values; `check_settings` reads them back."""
    return asdict(config)
