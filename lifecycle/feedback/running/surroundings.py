"""What every run on this machine has to do with, from params.yaml."""

from dataclasses import dataclass, replace
from pathlib import Path

from contracts.dataset.config_errors import ConfigError
from contracts.dataset.declaration import Declaration
from contracts.lifecycle.feedback import FeedbackConfig
from contracts.overrides import Overrides
from contracts.params import read_section
from contracts.serving.config import JournalConfig
from serving.server.settings import load_journal_config


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    config: FeedbackConfig
    declaration: Declaration
    journal: JournalConfig


def surroundings(journal: str | None = None, folder: str | None = None, settings: Overrides | None = None) -> Surroundings:
    """Another `folder` has its own store and labels, and in it the rows that can be trained on. Raises ConfigError."""
    settings = Overrides() if settings is None else settings
    found = load_journal_config(folder=journal, overrides=settings.of("serving.journal"))
    config = settings.section("feedback", FeedbackConfig)
    if found is None:
        raise ConfigError("section 'serving.journal' is missing in params.yaml; run `make repro` to compose it anew")
    if folder is not None:
        config = replace(config, folder=folder, labelled=str(Path(folder) / config.labelled))
    return Surroundings(config=config, declaration=read_section("data", Declaration), journal=found)
