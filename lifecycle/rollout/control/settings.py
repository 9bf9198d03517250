"""What `make rollout SET="..."` is told: words, and settings of `params.yaml` that count instead, as `rollout.folder=tried`."""

from collections.abc import Sequence

from contracts.overrides import Overrides, read_overrides

SECTIONS = (  # of which settings can be told
    *("rollout", "feedback", "monitor", "lifecycle.retraining"),
    *("serving.server", "serving.journal", "serving.routing"),
)
USAGE = 'SET="begin 13", "status", "pause", "resume", "abort", "promote" or "audit", or nothing to go on'


def words_and_settings(words: Sequence[str]) -> tuple[tuple[str, ...], Overrides]:
    """Raises ConfigError for a setting of another section, or one that is not YAML."""
    asked_for = tuple(word for word in words if "=" not in word)
    return asked_for, read_overrides([word for word in words if "=" in word], SECTIONS)
