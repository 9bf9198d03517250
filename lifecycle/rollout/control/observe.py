"""Where a look's evidence comes from: rows of the journal with their labels, judged; and the audit of what was kept of it."""

from functools import partial
from pathlib import Path

from contracts.clock import clock
from contracts.lifecycle.feedback import FeedbackConfig
from contracts.lifecycle.monitor import MonitorConfig
from contracts.lifecycle.retraining import RetrainingConfig
from contracts.lifecycle.rollout import RolloutConfig
from contracts.serving.config import JournalConfig, RoutingConfig, ServerConfig
from lifecycle.rollout.control.audit import audited
from lifecycle.rollout.control.control import Control, LookEvidence, Say, Wait
from lifecycle.rollout.control.files import read_decisions, read_rollouts, read_state
from lifecycle.rollout.control.rules import number_of
from lifecycle.rollout.control.settings import Told
from lifecycle.rollout.evidence.files import read_assigned, read_pairs
from lifecycle.rollout.evidence.gather import RolloutEvidence, Sources, gather
from lifecycle.rollout.rollout import Rollout
from lifecycle.rollout.statistics.judge import judge, judge_sums
from serving.releases.store import Store


def control_of(told: Told, say: Say) -> Control:
    """What the controller works with, by the settings."""
    config, server = told.section("rollout", RolloutConfig), told.section("serving.server", ServerConfig)
    store = Path(server.store)
    sources = Sources(
        journal=Path(told.section("serving.journal", JournalConfig).folder),
        feedback=Path(told.section("feedback", FeedbackConfig).folder),
        store=store,
    )
    return Control(
        root=Path(config.folder),
        store=Store(store),
        config=config,
        routing=told.section("serving.routing", RoutingConfig),
        server=server,
        observe=partial(observed, sources),
        trainings=Path(told.section("lifecycle.retraining", RetrainingConfig).folder),
        alerts=Path(told.section("monitor", MonitorConfig).folder),
        say=say,
    )


def observed(sources: Sources, control: Control, rollout: Rollout) -> LookEvidence:
    """What the rows of all days say whose labels are final."""
    evidence = gather(rollout, control.root, sources, control.config, clock().now_ns())
    judgements = judge(evidence.pairs(), evidence.assigned(), rollout.steps, control.config)
    return LookEvidence(
        judgements=tuple(judgements),
        labelled=evidence.labelled.get(number_of(rollout), 0),
        waits=waits_of(evidence, control.config),
    )


def waits_of(evidence: RolloutEvidence, config: RolloutConfig) -> tuple[Wait, ...]:
    """Why the verdict has to wait, though it may be there."""
    found = [Wait(kind="labels", sentence=evidence.feed)] if evidence.feed else []
    if evidence.lacking > config.max_lacking:
        most = f"at most {config.max_lacking:.0%} may"
        sentence = f"{evidence.lacking:.1%} of the labelled rows lack the other release's probability, {most}"
        found.append(Wait(kind="lacking", sentence=sentence))
    return tuple(found)


def audit_lines(control: Control, name: str | None = None) -> tuple[list[str], bool]:
    """A line for each verdict that was kept, of one rollout or of all, and whether all come out the same. Raises ValueError."""
    rollouts = [one for one in read_rollouts(control.root) if name in (None, one.name)]
    if not rollouts:
        raise ValueError(f"{control.root}/ has no rollout {name}" if name else f"{control.root}/ has no rollouts")
    lines, is_same = [], True
    for rollout in rollouts:
        folder = control.folder(rollout)
        config = read_state(folder).config
        looks = judge(read_pairs(folder), read_assigned(folder), rollout.steps, config)
        found = audited(read_decisions(folder), looks, judge_sums, config)
        lines += [one.line(rollout.name) for one in found]
        is_same = is_same and all(one.is_same for one in found)
        ways = ", ".join(f"{sum(one.way == way for one in found)} from {way}" for way in ("rows", "sums", "neither"))
        lines.append(f"{rollout.name}: {len(found)} verdicts ({ways}), {sum(not one.is_same for one in found)} differ")
    return lines, is_same
