"""What `make live` is told: section `live` of `params.yaml`, with a fault's file and what the command line overrides."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import yaml
from pydantic import TypeAdapter, ValidationError

from contracts.dataset.config_errors import ConfigError, describe
from contracts.dataset.declaration import Declaration
from contracts.lifecycle.live import LiveConfig
from contracts.params import PARAMS_PATH, read_section
from lifecycle.live.months import months_after

CONF = Path("conf/live")
USUAL, WHOLE = "default", "whole"  # files of conf/live/ that are no fault


@dataclass(frozen=True, kw_only=True)
class Played:
    """Which months of which world are played."""

    months: tuple[str, ...]  # YYYY-MM
    seed: int  # of the world, and of what becomes of its events
    declaration: Declaration


def load_live_config(
    fault: str | None, overrides: Sequence[str] = (), params: Path = PARAMS_PATH, conf: Path = CONF
) -> LiveConfig:
    """The checked settings. Raises ConfigError with one sentence."""
    values = asdict(read_section("live", LiveConfig, params))
    if fault is not None:
        values = merged(values, fault_values(fault, conf))
    for override in overrides:
        values = merged(values, override_values(override))
    try:
        return TypeAdapter(LiveConfig).validate_python(values)
    except ValidationError as error:
        raise ConfigError(describe(error, "live", LiveConfig, values)) from error


def faults(conf: Path = CONF) -> list[str]:
    return sorted(path.stem for path in conf.glob("*.yaml") if path.stem not in (USUAL, WHOLE))


def fault_values(name: str, conf: Path = CONF) -> dict[str, Any]:
    """What the fault's file says beside the usual settings. Raises ConfigError if there is no such fault."""
    if name not in faults(conf):
        raise ConfigError(f"there is no fault '{name}' in {conf}/; there are {', '.join(faults(conf))}")
    values: dict[str, Any] = yaml.safe_load((conf / f"{name}.yaml").read_text(encoding="utf-8"))
    return {key: value for key, value in values.items() if key != "defaults"}


def override_values(override: str) -> dict[str, Any]:
    """`labels.median_h=5` as nested values. Raises ConfigError."""
    key, equals, text = override.partition("=")
    if not equals or not all(part.isidentifier() for part in key.split(".")):
        raise ConfigError(f"expected key=value with a key of conf/live/default.yaml, got '{override}'")
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError:
        raise ConfigError(f"the value of '{override}' is not YAML") from None
    for part in reversed(key.split(".")):
        value = {part: value}
    return dict(value)


def merged(values: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """`values`, with what is in `over` instead; mappings in both are merged."""
    found = dict(values)
    for key, value in over.items():
        before = found.get(key)
        found[key] = merged(before, value) if isinstance(before, dict) and isinstance(value, dict) else value
    return found


def played_world(config: LiveConfig, params: Path = PARAMS_PATH) -> Played:
    """The months after the exchange's. Raises ConfigError if `params.yaml` is composed for another data set."""
    declaration = read_section("data", Declaration, params)
    if declaration.source.kind != "exchange":
        raise ConfigError(
            f"{params} is composed for data set {declaration.name}; only the simulated exchange can be played (data=simulated)"
        )
    if declaration.lists:
        raise ConfigError(
            f"column '{declaration.lists[0].name}' holds several values in a cell; only data=simulated can be played"
        )
    exchange = read_section("exchange", dict[str, Any], params)
    if declaration.so_far:
        raise ConfigError(
            f"column '{declaration.so_far[0].name}' is counted so far, which the players do not do; take it out, or play another "
            "data set of source.kind exchange"
        )
    return Played(months=months_after(exchange["months"][-1], config.months), seed=int(exchange["seed"]), declaration=declaration)
