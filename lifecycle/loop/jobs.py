"""The five jobs that keep a served model up to date, as commands of their own environments, in the order in which each needs
what the one before it writes.
"""

from dataclasses import dataclass

from contracts.lifecycle.monitor import MonitorConfig
from contracts.lifecycle.retraining import LifecycleConfig, LoopConfig
from contracts.lifecycle.rollout import RolloutConfig
from contracts.overrides import Overrides
from lifecycle.retrain.surroundings import SECTIONS
from lifecycle.rollout.control.settings import SECTIONS as ROLLOUT_SECTIONS

SERVING_PYTHON, LOAD_PYTHON = ".venv-serving/bin/python", ".venv-load/bin/python"
JOURNAL_SECTIONS = ("serving.journal",)
FEEDBACK_SECTIONS = ("serving.journal", "feedback")
MONITOR_SECTIONS = ("serving.journal", "serving.server", "feedback", "monitor")


@dataclass(frozen=True, kw_only=True)
class LoopJob:
    """A command that is run again and again."""

    name: str
    command: tuple[str, ...]
    every_s: float  # of the clock


def jobs_of(settings: Overrides) -> list[LoopJob]:
    """In the order in which they are run once. Raises ConfigError for settings that do not fit."""
    loop = settings.section("lifecycle", LifecycleConfig).loop
    monitor, rollout = settings.section("monitor", MonitorConfig), settings.section("rollout", RolloutConfig)
    return [
        _job("journal", loop.journal_s, LOAD_PYTHON, "lifecycle.journal", *_options(settings, JOURNAL_SECTIONS)),
        _job("feedback", loop.feedback_s, LOAD_PYTHON, "lifecycle.feedback", *_options(settings, FEEDBACK_SECTIONS)),
        _monitor(settings, loop, monitor.every_s),
        _job("retraining", loop.retraining_s, LOAD_PYTHON, "lifecycle.retrain", "look", *settings.words_of(SECTIONS)),
        _job("rollout", rollout.every_s, SERVING_PYTHON, "lifecycle.rollout", "--once", *settings.words_of(ROLLOUT_SECTIONS)),
    ]


def _monitor(settings: Overrides, loop: LoopConfig, every_s: float) -> LoopJob:
    """What it finds is no failure of the job."""
    told = _options(settings, MONITOR_SECTIONS)
    command = (LOAD_PYTHON, "-m", "lifecycle.monitor", "--page", loop.page, "--exit-0", *told)
    return LoopJob(name="monitor", command=command, every_s=every_s)


def _job(name: str, every_s: float, python: str, module: str, *arguments: str) -> LoopJob:
    return LoopJob(name=name, command=(python, "-m", module, *arguments), every_s=every_s)


def _options(settings: Overrides, sections: tuple[str, ...]) -> list[str]:
    """Of commands whose words are files or nothing."""
    return [part for word in settings.words_of(sections) for part in ("--set", word)]
