"""Sections of `params.yaml`, which stage compose writes, for the commands that come after the pipeline."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import TypeAdapter, ValidationError

from contracts.dataset.config_errors import ConfigError, describe

PARAMS_PATH = Path("params.yaml")

Section = TypeVar("Section")


def read_section(
    name: str, config_class: type[Section], path: Path = PARAMS_PATH, overrides: Mapping[str, Any] | None = None
) -> Section:
    """Section `name`, such as "gate" or "serving.server", with `overrides`, nested as it is, checked.

    Raises ConfigError with one sentence.
    """
    values = section_values(name, path)
    if values is None:
        raise ConfigError(f"section '{name}' is missing in {path}; run `make repro` to compose it anew")
    return check_section(name, config_class, values if overrides is None else merged(values, overrides))


def merged(values: Any, overrides: Mapping[str, Any]) -> Any:
    """`values` with what `overrides` has in their place; only mappings that are in both are gone into."""
    if not isinstance(values, Mapping):
        return overrides
    inner = {
        key: merged(values[key], value) if isinstance(value, Mapping) and isinstance(values.get(key), Mapping) else value
        for key, value in overrides.items()
    }
    return {**values, **inner}


def section_values(name: str, path: Path = PARAMS_PATH) -> Any:
    """What the section holds, not checked; None if it is not there. Raises ConfigError if there is no file that can be read."""
    if not path.is_file():
        raise ConfigError(f"{path} is missing; run `make repro` in the project's folder first")
    try:
        found = yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise ConfigError(f"{path} is not YAML ({' '.join(str(error).split())}); run `make repro` to compose it anew") from error
    for key in name.split("."):
        found = found.get(key) if isinstance(found, dict) else None
    return found


def check_section(name: str, config_class: type[Section], values: Any) -> Section:
    """`values` as `config_class`. Raises ConfigError with one sentence."""
    try:
        return TypeAdapter(config_class).validate_python(values)
    except ValidationError as error:
        raise ConfigError(describe(error, name, config_class, values)) from error
