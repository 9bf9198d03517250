"""The server's settings: section `serving.server` of `params.yaml`, with what the command line overrides."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import yaml
from pydantic import TypeAdapter, ValidationError

from contracts.dataset.config_errors import ConfigError, describe
from contracts.serving.config import JournalConfig, RoutingConfig, ServerConfig

PARAMS_PATH = Path("params.yaml")


def load_server_config(path: Path = PARAMS_PATH, **overrides: Any) -> ServerConfig:
    """The checked settings. `overrides` that are None do not count. Raises ConfigError with one sentence."""
    values = _section("server", path)
    if values is None:
        raise ConfigError(f"section 'serving.server' is missing in {path}; run `make repro` to compose it anew")
    return check_server_config(values | {key: value for key, value in overrides.items() if value is not None})


def load_journal_config(path: Path = PARAMS_PATH, folder: str | None = None) -> JournalConfig | None:
    """The checked settings of the journal; None if `path` was composed before there was one. A `folder` enables it."""
    values = _section("journal", path)
    if values is None and folder is not None:
        raise ConfigError(f"section 'serving.journal' is missing in {path}; run `make repro` to compose it anew")
    if values is None:
        return None
    values |= {} if folder is None else {"folder": folder, "enabled": True}
    try:
        return TypeAdapter(JournalConfig).validate_python(values)
    except ValidationError as error:
        raise ConfigError(describe(error, "serving.journal", JournalConfig, values)) from error


def load_routing_config(path: Path = PARAMS_PATH) -> RoutingConfig:
    """What a rollout begins with, checked. Raises ConfigError with one sentence."""
    values = _section("routing", path)
    if values is None:
        raise ConfigError(f"section 'serving.routing' is missing in {path}; run `make repro` to compose it anew")
    try:
        return TypeAdapter(RoutingConfig).validate_python(values)
    except ValidationError as error:
        raise ConfigError(describe(error, "serving.routing", RoutingConfig, values)) from error


def _section(name: str, path: Path) -> dict[str, Any] | None:
    """A section of `serving`, None if it is not there. Raises ConfigError if there is no file."""
    if not path.is_file():
        raise ConfigError(f"{path} is missing; run `make repro` in the project's folder first")
    params = yaml.safe_load(path.read_text(encoding="utf-8"))
    return (params.get("serving") or {}).get(name) if isinstance(params, dict) else None


def check_server_config(values: dict[str, Any]) -> ServerConfig:
    try:
        return TypeAdapter(ServerConfig).validate_python(values)
    except ValidationError as error:
        raise ConfigError(describe(error, "serving.server", ServerConfig, values)) from error


def changed(config: ServerConfig, **values: Any) -> ServerConfig:
    """The settings with some of them replaced, checked again."""
    return check_server_config(asdict(config) | values)
