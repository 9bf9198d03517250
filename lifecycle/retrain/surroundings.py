"""What retraining works with, from params.yaml and what the command line says instead."""

from dataclasses import dataclass
from pathlib import Path

from contracts.lifecycle.feedback import FeedbackConfig
from contracts.lifecycle.monitor import MonitorConfig
from contracts.lifecycle.retraining import LifecycleConfig, RetrainingConfig
from contracts.lifecycle.rollout import RolloutConfig
from contracts.overrides import Overrides
from contracts.params import section_values
from serving.releases.store import Store
from serving.server.settings import load_server_config

SECTIONS = (  # of which settings can be told: its own, and those of what it hands over to
    *("serving.journal", "serving.server", "serving.routing"),
    *("feedback", "monitor", "lifecycle", "rollout"),
)
KIND, SERVED_KIND = "data.source.kind", "served"


@dataclass(frozen=True, kw_only=True)
class Retraining:
    """`project` is where the commands run, its own folder."""

    project: Path
    config: RetrainingConfig
    root: Path  # a folder a training
    store: Store
    feedback: Path
    labelled: Path  # rows with final labels, month by month
    maturity_ns: int
    monitor: Path
    rollouts: Path
    settings: Overrides

    def folder(self, name: str) -> Path:
        return self.root / name

    @property
    def source(self) -> str:
        """What kind of source a training reads: served, files, exchange."""
        told = [one.partition("=")[2] for one in self.config.overrides if one.partition("=")[0].lstrip("+") == KIND]
        return told[-1] if told else str(section_values(KIND))

    @property
    def is_served(self) -> bool:
        """Does a training read what was served and labelled."""
        return self.source == SERVED_KIND


def retraining_of(settings: Overrides) -> Retraining:
    """Raises ConfigError with one sentence."""
    config, feedback = settings.section("lifecycle", LifecycleConfig).retraining, settings.section("feedback", FeedbackConfig)
    return Retraining(
        project=Path.cwd(),
        config=config,
        root=Path(config.folder),
        store=Store(Path(load_server_config(**settings.of("serving.server")).store)),
        feedback=Path(feedback.folder),
        labelled=Path(feedback.labelled),
        maturity_ns=round(feedback.maturity_h * 3600 * 1e9),
        monitor=Path(settings.section("monitor", MonitorConfig).folder),
        rollouts=Path(settings.section("rollout", RolloutConfig).folder),
        settings=settings,
    )
