"""Settings that a command is told beside `params.yaml`, as `rollout.folder=tried`: they count in its place."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import yaml

from contracts.dataset.config_errors import ConfigError
from contracts.params import read_section

Section = TypeVar("Section")


@dataclass(frozen=True, kw_only=True)
class Overrides:
    """`words` as they were given; `values` nested as in params.yaml."""

    words: tuple[str, ...] = ()
    values: Mapping[str, Any] = field(default_factory=dict)

    def of(self, section: str) -> Mapping[str, Any]:
        """What is told of a section such as "serving.journal", to be merged into it."""
        found: Any = self.values
        for key in section.split("."):
            found = found.get(key, {}) if isinstance(found, Mapping) else {}
        return found if isinstance(found, Mapping) else {}

    def section(self, name: str, kind: type[Section]) -> Section:
        """The section of params.yaml with them, checked. Raises ConfigError with one sentence."""
        return read_section(name, kind, overrides=self.of(name))

    def words_of(self, sections: Iterable[str]) -> list[str]:
        """Those that are about one of the sections."""
        starts = tuple(f"{section}." for section in sections)
        return [word for word in self.words if word.startswith(starts)]


def read_overrides(words: Sequence[str], sections: Sequence[str]) -> Overrides:
    """Raises ConfigError for what is no `section.key=value` of one of the sections."""
    values: dict[str, Any] = {}
    for word in words:
        name, equals, text = word.partition("=")
        keys = name.split(".")
        if not equals or not name.startswith(tuple(f"{one}." for one in sections)) or not all(map(str.isidentifier, keys)):
            raise ConfigError(f"expected section.key=value with a section of {', '.join(sections)}, got '{word}'")
        try:
            value = yaml.safe_load(text)
        except yaml.YAMLError:
            raise ConfigError(f"the value of '{word}' is not YAML") from None
        inner = values
        for key in keys[:-1]:
            inner = inner.setdefault(key, {})
            if not isinstance(inner, dict):
                raise ConfigError(f"'{word}' is below a key that is given a value as well")
        inner[keys[-1]] = value
    return Overrides(words=tuple(words), values=values)
