"""Where a look's evidence comes from: rows of the journal with their labels, judged; and the audit of what was kept of it."""

from functools import partial
from pathlib import Path

from contracts.clock import clock
from contracts.lifecycle.feedback import FeedbackConfig
from contracts.lifecycle.monitor import MonitorConfig
from contracts.lifecycle.retraining import RetrainingConfig
from contracts.lifecycle.rollout import RolloutConfig
from contracts.overrides import Overrides
from contracts.serving.config import JournalConfig, RoutingConfig, ServerConfig
from lifecycle.rollout.control.audit import audited
from lifecycle.rollout.control.control import Control, LookEvidence, Say, Wait
from lifecycle.rollout.control.files import read_decisions, read_rollouts, read_state
from lifecycle.rollout.control.rules import days_in_force, number_of
from lifecycle.rollout.evidence.files import read_assigned, read_pairs
from lifecycle.rollout.evidence.gather import RolloutEvidence, Sources, gather
from lifecycle.rollout.rollout import Rollout
from lifecycle.rollout.statistics.judge import judge, judge_sums
from serving.releases.store import Store

GRACE_DAYS = 2.0  # of a step, beyond the labels' maturity: a day has to be over, and the feed may be late


def control_of(told: Overrides, say: Say) -> Control:
    """What the controller works with, by the settings."""
    config, server = told.section("rollout", RolloutConfig), told.section("serving.server", ServerConfig)
    store, feedback = Path(server.store), told.section("feedback", FeedbackConfig)
    sources = Sources(
        journal=Path(told.section("serving.journal", JournalConfig).folder),
        feedback=Path(feedback.folder),
        store=store,
    )
    return Control(
        root=Path(config.folder),
        store=Store(store),
        config=config,
        routing=told.section("serving.routing", RoutingConfig),
        server=server,
        observe=partial(observed, sources, feedback.maturity_h),
        trainings=Path(told.section("lifecycle.retraining", RetrainingConfig).folder),
        alerts=Path(told.section("monitor", MonitorConfig).folder),
        say=say,
    )


def observed(sources: Sources, maturity_h: float, control: Control, rollout: Rollout) -> LookEvidence:
    """What the rows of all days say whose labels are final."""
    now_ns, number = clock().now_ns(), number_of(rollout)
    evidence = gather(rollout, control.root, sources, control.config, now_ns)
    labelled = evidence.labelled.get(number, 0)
    silent = silence(labelled, days_in_force(rollout, now_ns, number), maturity_h)
    return LookEvidence(
        judgements=tuple(judge(evidence.pairs(), evidence.assigned(), rollout.steps, control.config)),
        labelled=labelled,
        waits=(*silent, *waits_of(evidence, control.config)),
    )


def silence(labelled: int, days: float, maturity_h: float) -> tuple[Wait, ...]:
    """A step of which labels should be there by now, and are not."""
    if labelled or days <= maturity_h / 24 + GRACE_DAYS:
        return ()
    why = "nobody asks, or the server cannot open the challenger"
    return (Wait(kind="traffic", sentence=f"after {days:.1f} days no row of this step has a final label: {why}"),)


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
