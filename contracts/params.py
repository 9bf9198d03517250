"""One section of `params.yaml`, which stage compose writes, for the commands that come after the pipeline."""

from pathlib import Path
from typing import TypeVar

import yaml
from pydantic import TypeAdapter, ValidationError

from contracts.dataset.config_errors import ConfigError, describe

PARAMS_PATH = Path("params.yaml")

Section = TypeVar("Section")


def read_section(name: str, config_class: type[Section], path: Path = PARAMS_PATH) -> Section:
    """Section `name`, checked. Raises ConfigError with one sentence."""
    if not path.is_file():
        raise ConfigError(f"{path} is missing; run `make repro` in the project's folder first")
    try:
        params = yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise ConfigError(f"{path} is not YAML ({' '.join(str(error).split())}); run `make repro` to compose it anew") from error
    if not isinstance(params, dict) or name not in params:
        raise ConfigError(f"section '{name}' is missing in {path}; run `make repro` to compose it anew")
    try:
        return TypeAdapter(config_class).validate_python(params[name])
    except ValidationError as error:
        raise ConfigError(describe(error, name, config_class, params[name])) from error
