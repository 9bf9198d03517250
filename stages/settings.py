"""The sections of `params.yaml` as frozen dataclasses; the one place that says which class checks which section."""

from dataclasses import is_dataclass
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any, TypeVar

import yaml
from pydantic import Field, TypeAdapter, ValidationError

from contracts.dataset.config_errors import ConfigError, describe

SECTIONS = {
    "data": "contracts.dataset.declaration:Declaration",
    "exchange": "stages.simulate.config:ExchangeConfig",
    "validate": "stages.config:ValidateConfig",
    "features": "stages.features.config:FeaturesConfig",
    "model": "stages.models.config:ModelConfig",
    "train": "stages.models.config:TrainConfig",
    "trainer": "stages.models.config:TrainerConfig",
    "export": "stages.config:ExportConfig",
    "baselines": "stages.evaluation.config:BaselinesConfig",
    "evaluate": "stages.evaluation.config:EvaluateConfig",
    "compare": "stages.comparing.config:CompareConfig",
    "gate": "contracts.lifecycle.config:GateConfig",
    "lifecycle": "contracts.lifecycle.retraining:LifecycleConfig",
    "rollout": "contracts.lifecycle.rollout:RolloutConfig",
    "ab": "contracts.lifecycle.ab:AbConfig",
    "serving": "contracts.serving.config:ServingConfig",
    "feedback": "contracts.lifecycle.feedback:FeedbackConfig",
    "monitor": "contracts.lifecycle.monitor:MonitorConfig",
    "live": "contracts.lifecycle.live:LiveConfig",
}
Seed = Annotated[int, Field(ge=0, lt=2**32, strict=True)]
PARAMS_PATH = Path("params.yaml")

Section = TypeVar("Section")


def load_params(path: Path = PARAMS_PATH) -> dict[str, Any]:
    """The whole of `params.yaml` as plain values. Raises ConfigError if it is missing or no mapping."""
    if not path.is_file():
        raise ConfigError(f"{path} is missing; run `python -m stages.compose` in the project's folder to compose it")
    try:
        params = yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise ConfigError(f"{path} is not YAML ({' '.join(str(error).split())}); run `python -m stages.compose`") from error
    if not isinstance(params, dict):
        raise ConfigError(f"{path} holds no mapping of sections; run `python -m stages.compose` to compose it anew")
    return params


def load_section(name: str, config_class: type[Section], path: Path = PARAMS_PATH) -> Section:
    """Section `name` of `params.yaml`, checked. Raises ConfigError naming key, value and what is allowed."""
    params = load_params(path)
    if name not in params:
        raise ConfigError(f"section '{name}' is missing in {path}; it comes from conf/config.yaml")
    return check_section(name, params[name], config_class)


def check_section(name: str, values: Any, config_class: type[Section]) -> Section:
    """`values` as `config_class`. Raises ConfigError with one sentence."""
    try:
        checked = TypeAdapter(config_class).validate_python(values)
    except ValidationError as error:
        raise ConfigError(describe(error, name, config_class, values)) from error
    _refuse_booleans(name, values, checked)
    return checked


def _refuse_booleans(key: str, given: Any, checked: Any) -> None:
    """Raise ConfigError where true or false stands for a number: pydantic takes them for 1 and 0."""
    if isinstance(given, bool) and not isinstance(checked, bool):
        raise ConfigError(f"{key}: got {str(given).lower()}, a number or a word is expected")
    if isinstance(given, dict) and is_dataclass(checked):
        for name, value in given.items():
            _refuse_booleans(f"{key}.{name}", value, getattr(checked, str(name), value))
    elif isinstance(given, list) and isinstance(checked, list | tuple) and len(given) == len(checked):
        for place, (value, read) in enumerate(zip(given, checked, strict=True)):
            _refuse_booleans(f"{key}.{place}", value, read)


def check_all(params: dict[str, Any]) -> None:
    """Check every section of `params`; an unknown section is an error too."""
    unknown = sorted(set(params) - set(SECTIONS) - {"seed", "experiment_name"})
    if unknown:
        raise ConfigError(f"'{unknown[0]}' is not a section of the configuration; allowed: seed, {', '.join(SECTIONS)}")
    check_section("seed", params.get("seed"), Seed)
    check_section("experiment_name", params.get("experiment_name"), str | None)
    checked = {}
    for name, target in SECTIONS.items():
        module, class_name = target.split(":")
        if name not in params:
            raise ConfigError(f"section '{name}' is missing; it comes from conf/config.yaml")
        checked[name] = check_section(name, params[name], getattr(import_module(module), class_name))
    _check_columns(checked)
    try:
        import_module(SECTIONS["evaluate"].split(":")[0]).check_evaluation(checked["evaluate"], checked["data"])
        import_module(SECTIONS["compare"].split(":")[0]).check_comparison(checked["compare"], checked["data"])
    except ValueError as error:
        raise ConfigError(str(error)) from error


def _check_columns(sections: dict[str, Any]) -> None:
    """Raise ConfigError where a section names a column that the data set does not have."""
    declared = sections["data"]
    fields = [c.name if c.is_categorical else f"{c.name}__bucket" for c in declared.features]
    for key in ("gate1_fields", "gate2_fields"):
        stray = next((name for name in getattr(sections["model"], key, ()) if name not in fields), None)
        if stray is not None:
            raise ConfigError(f"model.{key}: '{stray}' is no column of data set {declared.name}; allowed: {', '.join(fields)}")
