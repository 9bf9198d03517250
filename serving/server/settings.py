"""The server's settings: section `serving.server` of `params.yaml`, with what the command line overrides."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import yaml
from pydantic import TypeAdapter, ValidationError

from contracts.dataset.config_errors import ConfigError, describe
from contracts.serving.config import ServerConfig

PARAMS_PATH = Path("params.yaml")


def load_server_config(path: Path = PARAMS_PATH, **overrides: Any) -> ServerConfig:
    """The checked settings. `overrides` that are None do not count. Raises ConfigError with one sentence."""
    if not path.is_file():
        raise ConfigError(f"{path} is missing; run `make repro` in the project's folder first")
    params = yaml.safe_load(path.read_text(encoding="utf-8"))
    if not isinstance(params, dict) or "server" not in (params.get("serving") or {}):
        raise ConfigError(f"section 'serving.server' is missing in {path}; run `make repro` to compose it anew")
    values = params["serving"]["server"] | {key: value for key, value in overrides.items() if value is not None}
    return check_server_config(values)


def check_server_config(values: dict[str, Any]) -> ServerConfig:
    try:
        return TypeAdapter(ServerConfig).validate_python(values)
    except ValidationError as error:
        raise ConfigError(describe(error, "serving.server", ServerConfig, values)) from error


def changed(config: ServerConfig, **values: Any) -> ServerConfig:
    """The settings with some of them replaced, checked again."""
    return check_server_config(asdict(config) | values)
