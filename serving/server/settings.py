"""The server's settings: section `serving.server` of `params.yaml`, with what the command line overrides."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from contracts.params import PARAMS_PATH, check_section, read_section, section_values
from contracts.serving.config import JournalConfig, RoutingConfig, ServerConfig

SERVER, JOURNAL = "serving.server", "serving.journal"


def load_server_config(path: Path = PARAMS_PATH, **overrides: Any) -> ServerConfig:
    """The checked settings. `overrides` that are None do not count. Raises ConfigError with one sentence."""
    given = {key: value for key, value in overrides.items() if value is not None}
    return read_section(SERVER, ServerConfig, path, given)


def load_journal_config(
    path: Path = PARAMS_PATH, folder: str | None = None, overrides: Mapping[str, Any] | None = None
) -> JournalConfig | None:
    """The checked settings of the journal; None if `path` was composed before there was one. A `folder` enables it."""
    told = dict(overrides or {}) | ({} if folder is None else {"folder": folder})
    if "folder" in told:
        return read_section(JOURNAL, JournalConfig, path, {**told, "enabled": True})
    return None if section_values(JOURNAL, path) is None else read_section(JOURNAL, JournalConfig, path, told)


def load_routing_config(path: Path = PARAMS_PATH) -> RoutingConfig:
    """What a rollout begins with, checked. Raises ConfigError with one sentence."""
    return read_section("serving.routing", RoutingConfig, path)


def check_server_config(values: dict[str, Any]) -> ServerConfig:
    return check_section(SERVER, ServerConfig, values)


def changed(config: ServerConfig, **values: Any) -> ServerConfig:
    """The settings with some of them replaced, checked again."""
    return check_server_config(asdict(config) | values)
