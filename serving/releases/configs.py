"""`config.pbtxt` of the models of a store: which versions Triton opens, made from the config that each release keeps."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from google.protobuf import text_format
from tritonclient.grpc.model_config_pb2 import ModelConfig

from contracts.files import write_whole
from contracts.serving.releases import PUBLIC

CONFIG = "config.pbtxt"
DOORS = (PUBLIC, "ctr_by_name")  # what clients call; the other models are called by these
BEFORE, NONE = "before", 0  # parameter of `ctr`: the version that was served before
ANY_WIDTH = -1


@dataclass(frozen=True, kw_only=True)
class Opened:
    """The releases that Triton's models hold: doors the champion alone, the models that they call all of them."""

    champion: int
    challenger: int | None = None
    before: int | None = None  # served before the champion, for the calls that are under way, and to go back to

    @property
    def arms(self) -> list[int]:
        """Those that answer requests, or compute what another one answered; the champion first."""
        return [self.champion, *([] if self.challenger is None else [self.challenger])]

    @property
    def all(self) -> list[int]:
        return [*self.arms, *([] if self.before is None or self.before in self.arms else [self.before])]


def config_of(model: Path) -> ModelConfig | None:
    """What Triton is told of the model in that folder; None if nothing is."""
    path = model / CONFIG
    return text_format.Parse(path.read_text(), ModelConfig()) if path.is_file() else None


def versions_of(model: Path) -> list[int]:
    """Which Triton opens; none if it is not told of the model."""
    config = config_of(model)
    return [] if config is None else list(config.version_policy.specific.versions)


def version_before(model: Path) -> int | None:
    """The version that was served before the one that the model's config is of; 0 if none was, None if it does not say."""
    config = config_of(model)
    said = "" if config is None else config.parameters[BEFORE].string_value
    return int(said) if said else None


def write_config(model: Path, opened: Opened) -> None:
    """Have Triton open the model in the versions of it that are `opened`: the next time it is told to load it.

    Settings, labels and warm-up requests are those of the first release that has the model, the champion if it does.
    """
    versions = [number for number in opened.all if (model / str(number)).is_dir()]
    first = model / str(versions[0]) / "release"
    for path in sorted(path for path in first.rglob("*") if path.is_file() and path.name != CONFIG):
        _write(model / path.relative_to(first), path.read_bytes())
    config = _released(model, versions[0])
    config.name = model.name
    for step in config.ensemble_scheduling.step:
        step.model_version = versions[0]
    is_door = model.name in DOORS
    if not is_door:
        _fit_all(config, [_released(model, number) for number in versions])
    config.version_policy.Clear()
    config.version_policy.specific.versions.extend([opened.champion] if is_door else sorted(versions))
    if model.name == PUBLIC:
        config.parameters[BEFORE].string_value = str(opened.before or NONE)
    _write(model / CONFIG, text_format.MessageToString(config).encode())


def _released(model: Path, version: int) -> ModelConfig:
    return text_format.Parse((model / str(version) / "release" / CONFIG).read_text(), ModelConfig())


def _fit_all(config: ModelConfig, others: Sequence[ModelConfig]) -> None:
    """One config is for all versions: where their columns differ it takes any width, and has no warm-up, which is one's alone."""
    shapes = [{(tensor.name, tensor.data_type): list(tensor.dims) for tensor in other.input} for other in others]
    if all(shape == shapes[0] for shape in shapes):
        return
    config.ClearField("model_warmup")
    for tensor in config.input:
        if any(shape.get((tensor.name, tensor.data_type)) != list(tensor.dims) for shape in shapes):
            del tensor.dims[:]
            tensor.dims.append(ANY_WIDTH)


def _write(path: Path, content: bytes) -> None:
    if path.is_file() and path.read_bytes() == content:
        return
    write_whole(path, content)
