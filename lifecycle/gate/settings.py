"""Section `gate` of `params.yaml`. It is composed from conf/gate/ by stage compose, which checks it too."""

import hashlib
import json
from dataclasses import asdict
from pathlib import Path

from contracts.lifecycle.config import GateConfig
from contracts.params import PARAMS_PATH, read_section


def load_gate_config(path: Path = PARAMS_PATH) -> GateConfig:
    """The checked settings. Raises ConfigError with one sentence."""
    return read_section("gate", GateConfig, path)


def config_digest(config: GateConfig) -> str:
    """Sha-256 of all settings."""
    return hashlib.sha256(json.dumps(asdict(config), sort_keys=True).encode()).hexdigest()
