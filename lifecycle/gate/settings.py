"""Section `gate` of `params.yaml`. It is composed from conf/gate/ by stage compose, which checks it too."""

import hashlib
import json
from dataclasses import asdict
from pathlib import Path

import yaml
from pydantic import TypeAdapter, ValidationError

from contracts.dataset.config_errors import ConfigError, describe
from contracts.lifecycle.config import GateConfig

PARAMS_PATH = Path("params.yaml")


def load_gate_config(path: Path = PARAMS_PATH) -> GateConfig:
    """The checked settings. Raises ConfigError with one sentence."""
    if not path.is_file():
        raise ConfigError(f"{path} is missing; run `make repro` in the project's folder first")
    params = yaml.safe_load(path.read_text(encoding="utf-8"))
    if not isinstance(params, dict) or "gate" not in params:
        raise ConfigError(f"section 'gate' is missing in {path}; run `make repro` to compose it anew")
    try:
        return TypeAdapter(GateConfig).validate_python(params["gate"])
    except ValidationError as error:
        raise ConfigError(describe(error, "gate", GateConfig, params["gate"])) from error


def config_digest(config: GateConfig) -> str:
    """Sha-256 of all settings."""
    return hashlib.sha256(json.dumps(asdict(config), sort_keys=True).encode()).hexdigest()
