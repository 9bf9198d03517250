"""Settings of the measurements with perf_analyzer: `conf/loadtest/bench/<name>.yaml` on top of `base.yaml`, with what the
command line overrides.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from contracts.dataset.config_errors import ConfigError, describe

CONF = Path(__file__).resolve().parents[2] / "conf/loadtest/bench"
STRICT = ConfigDict(extra="forbid")
BASE = "base"


@dataclass(frozen=True, kw_only=True, config=STRICT)
class PerfConfig:
    """What all measurements share; the meaning of each key stands in conf/loadtest/bench/base.yaml."""

    distinct: int = Field(ge=1)
    traffic_rows: int = Field(ge=1)
    tolerance: float = Field(gt=0)


Settings = TypeVar("Settings", bound=PerfConfig)


def load_perf_settings(name: str, kind: type[Settings], overrides: Sequence[str] = (), conf: Path = CONF) -> Settings:
    """The checked settings of a measurement. `overrides` are key=value of its file. Raises ConfigError with one sentence."""
    values: dict[str, Any] = {}
    for file in (BASE, name):
        values |= yaml.safe_load((conf / f"{file}.yaml").read_text(encoding="utf-8"))
    for override in overrides:
        key, equals, text = override.partition("=")
        *parents, last = key.split(".")
        place = values
        for parent in parents:
            place = place.get(parent) if isinstance(place, dict) else None
        if not equals or not isinstance(place, dict) or last not in place:
            raise ConfigError(f"expected key=value with a key of conf/loadtest/bench/{name}.yaml, got '{override}'")
        place[last] = yaml.safe_load(text)
    try:
        return TypeAdapter(kind).validate_python(values)
    except ValidationError as error:
        raise ConfigError(f"{describe(error, name, kind, values)} (conf/loadtest/bench/{name}.yaml)") from error
