"""The settings that the project ships, read from conf/ by PyYAML alone, as objects with the fields of the config classes.

Those classes check what a person writes and need pydantic; what is shipped is checked by tests, and here nobody writes.
"""

from dataclasses import make_dataclass
from pathlib import Path
from typing import Any

import yaml

CONF = Path(__file__).resolve().parents[2] / "conf"


def shipped(group: str, name: str, **changes: Any) -> Any:
    """conf/`group`/`name`.yaml with `changes`, as a frozen dataclass. Raises ValueError if a change is of no key there."""
    path = CONF / group / f"{name}.yaml"
    values = yaml.safe_load(path.read_text(encoding="utf-8"))
    unknown = sorted(set(changes) - set(values))
    if unknown:
        raise ValueError(f"conf/{group}/{name}.yaml has no key '{unknown[0]}'; it has {', '.join(values)}")
    return make_dataclass(f"{group.title()}Values", list(values), frozen=True, kw_only=True)(**values | changes)
