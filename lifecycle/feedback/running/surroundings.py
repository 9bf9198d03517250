"""What every run on this machine has to do with, from params.yaml."""

from dataclasses import dataclass

from contracts.dataset.config_errors import ConfigError
from contracts.dataset.declaration import Declaration
from contracts.lifecycle.feedback import FeedbackConfig
from contracts.params import read_section
from contracts.serving.config import JournalConfig
from serving.server.settings import load_journal_config


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    config: FeedbackConfig
    declaration: Declaration
    journal: JournalConfig


def surroundings(journal: str | None = None) -> Surroundings:
    """Raises ConfigError."""
    found = load_journal_config(folder=journal)
    if found is None:
        raise ConfigError("section 'serving.journal' is missing in params.yaml; run `make repro` to compose it anew")
    return Surroundings(
        config=read_section("feedback", FeedbackConfig), declaration=read_section("data", Declaration), journal=found
    )
