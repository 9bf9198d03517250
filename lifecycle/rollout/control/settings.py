"""What `make rollout SET="..."` is told: words, and settings of `params.yaml` that count instead, as `rollout.folder=tried`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import yaml

from contracts.dataset.config_errors import ConfigError
from contracts.params import read_section

SECTIONS = (
    *("rollout", "feedback", "monitor", "lifecycle.retraining"),
    *("serving.server", "serving.journal", "serving.routing"),
)
USAGE = 'SET="begin 13", "status", "pause", "resume", "abort", "promote" or "audit", or nothing to go on'
Section = TypeVar("Section")


@dataclass(frozen=True, kw_only=True)
class Told:
    words: tuple[str, ...]
    settings: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)  # by section

    def section(self, name: str, kind: type[Section]) -> Section:
        """The section, checked. Raises ConfigError with one sentence."""
        return read_section(name, kind, overrides=self.settings.get(name, {}))


def words_and_settings(words: Sequence[str]) -> Told:
    """Raises ConfigError for a setting of another section, or one that is not YAML."""
    settings: dict[str, dict[str, Any]] = {}
    for word in (word for word in words if "=" in word):
        name, _, text = word.partition("=")
        section, _, key = name.rpartition(".")
        if section not in SECTIONS or not key.isidentifier():
            raise ConfigError(f"expected section.key=value with a section of {', '.join(SECTIONS)}, got '{word}'")
        try:
            settings.setdefault(section, {})[key] = yaml.safe_load(text)
        except yaml.YAMLError:
            raise ConfigError(f"the value of '{word}' is not YAML") from None
    return Told(words=tuple(word for word in words if "=" not in word), settings=settings)
