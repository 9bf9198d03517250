"""The evidence of a rollout, day by day: each day is read when its labels are final, and then never again."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl

from contracts.files import write_whole
from contracts.lifecycle.rollout import RolloutConfig
from lifecycle.feedback.answered import until_ns
from lifecycle.feedback.labels import read_state
from lifecycle.monitor.quality.labelled import labelled_days, start_ns
from lifecycle.rollout.evidence.day import DayWanted, day_of
from lifecycle.rollout.evidence.files import COUNTS, days_written, read_assigned, read_pairs, remove_partial, write_day
from lifecycle.rollout.evidence.watched import watched_columns
from lifecycle.rollout.pairs import ROLE_CHALLENGER
from lifecycle.rollout.rollout import Rollout

DAY_NS = 86_400 * 10**9


@dataclass(frozen=True, kw_only=True)
class Sources:
    """Where the evidence comes from."""

    journal: Path
    feedback: Path
    store: Path  # of the releases


@dataclass(frozen=True, kw_only=True)
class RolloutEvidence:
    folder: Path  # of the rollout
    days: tuple[date, ...]  # that are read
    labelled: Mapping[int, int]  # step -> rows with a final label: the challenger's in canary, the champion's in shadow
    lacking: float  # share of the labelled rows of which the other release says nothing
    feed: str  # why labels are not to be had, in a sentence; empty: they come

    def pairs(self) -> pl.DataFrame:
        return read_pairs(self.folder)

    def assigned(self) -> pl.DataFrame:
        return read_assigned(self.folder)


def gather(rollout: Rollout, root: Path, sources: Sources, config: RolloutConfig, now_ns: int) -> RolloutEvidence:
    """Read the days whose labels have become final since. Killed and called again, it does what is left.

    The caller is the only one that gathers for this rollout.
    """
    folder, begun = rollout.folder(root), datetime.fromtimestamp(rollout.begun_ns / 1e9, UTC).date()
    columns = watched_columns(sources.store, rollout.champion, config.slices)
    remove_partial(folder)
    done = set(days_written(folder))
    counts: dict[str, list[int]] = _counts(folder)
    for day in (day for day in labelled_days(sources.feedback) if day >= begun and day not in done):
        if start_ns(day) + DAY_NS > until_ns(sources.journal, now_ns):
            break  # answers of it are not in Parquet yet
        found = day_of(
            DayWanted(
                rollout=rollout, day=day, journal=sources.journal, feedback=sources.feedback, store=sources.store, columns=columns
            )
        )
        counts[str(day)] = [found.labelled, found.lacking]
        write_whole(folder / COUNTS, json.dumps(counts).encode())
        write_day(folder, day, found.pairs, found.assigned)
    labelled, lacking = (sum(one[place] for one in counts.values()) for place in (0, 1))
    return RolloutEvidence(
        folder=folder,
        days=tuple(days_written(folder)),
        labelled=_by_step(folder, rollout),
        lacking=lacking / labelled if labelled else 0.0,
        feed=_feed(sources, config, now_ns),
    )


def _by_step(folder: Path, rollout: Rollout) -> dict[int, int]:
    modes = {step.number: step.mode for step in rollout.steps}
    pairs = read_pairs(folder, ["step", "arm"]).group_by("step", "arm").len()
    found = dict.fromkeys(modes, 0)
    for step, arm, number in pairs.iter_rows():
        if modes.get(step) == "shadow" or arm == ROLE_CHALLENGER:
            found[step] = found.get(step, 0) + number
    return found


def _counts(folder: Path) -> dict[str, list[int]]:
    path = folder / COUNTS
    return json.loads(path.read_bytes()) if path.is_file() else {}


def _feed(sources: Sources, config: RolloutConfig, now_ns: int) -> str:
    """Labels are late if the feed says nothing new for hold_days beyond now."""
    state = read_state(sources.feedback)
    if state.watermark_ns is None:
        return "the feed of clicks has not said yet until when it is complete (docs/feedback.md): no label is final"
    behind = (now_ns - state.watermark_ns) / DAY_NS
    if behind > config.hold_days:
        return f"the feed of clicks is complete only until {behind:.1f} days ago: labels are late"
    return ""
