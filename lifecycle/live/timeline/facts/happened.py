"""What happened, out of the files that the parts of the loop write: alerts, trainings, rollouts, and the play's own settings."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from contracts.lifecycle.live import FaultConfig
from lifecycle.live.drills.schedule import Drill
from lifecycle.live.timeline.story import StoryEvent, Tone, TriedCandidate, TriedStep
from lifecycle.rollout.control.files import read_decisions
from lifecycle.rollout.rollout import Rollout

PPM = 1e6
TRAINED = "it was trained on what was served and clicked in the play"
ALERTS, TRAININGS = "alerts.jsonl", "trainings.jsonl"
WORDS = {"began": "alert", "worse": "alert, worse", "resolved": "alert over"}


def world_event(fault: FaultConfig | None, since_ns: int) -> list[StoryEvent]:
    """The change that the play makes in its world."""
    if fault is None:
        return []
    sentence = f"the play's own doing: {fault.kind}, over {fault.over_days:g} days"
    if fault.kind == "drift":
        sentence = f"tastes change within {fault.over_days:g} days: who likes what on which site, and which colours"
    return [StoryEvent(at_ns=since_ns, kind="world", title="the world changes", sentence=sentence, tone="bad")]


def alert_events(folder: Path) -> list[StoryEvent]:
    """Of the monitor's folder: each alert when it began, got worse, and was over."""
    return [
        StoryEvent(
            at_ns=int(line["at_ns"]),
            kind="alert",
            title=f"{WORDS[line['event']]}: {line['area']}, {line['subject']}",
            sentence=str(line["sentence"]),
            tone="good" if line["event"] == "resolved" else "bad",
        )
        for line in json_lines(folder / ALERTS)
        if line.get("event") in WORDS
    ]


def training_events(folder: Path) -> list[StoryEvent]:
    """Of the folder of trainings: why each began, how it ended, and where its model went."""
    return [_training_event(line) for line in json_lines(folder / TRAININGS) if line.get("event") in ("began", "ended", "handed")]


def _training_event(line: dict[str, Any]) -> StoryEvent:
    tone: Tone
    match line["event"]:
        case "began":
            rows = f", on {line['rows']:,} rows with final labels" if line.get("rows") else ""
            title, sentence, tone = "a training begins", f"{line['cause']}: {line['reason']}{rows}", "plain"
        case "ended":
            took = f"after {line['seconds']:.0f} s of the machine, {line['core_s'] / 3600:.2f} core hours"
            why = f": {line['why']}" if line.get("why") else ""
            title, sentence = "the training ends", f"{line['outcome']} {took}{why}"
            tone = "good" if line["outcome"] == "trained" else "bad"
        case _:
            release = f", release {line['release']}" if line.get("release") else ""
            why = f": {line['why']}" if line.get("why") else ""
            title, sentence = "its model is handed over", f"to: {line['to']}{release}{why}"
            tone = "good" if line["to"] == "rollout" else "bad"
    return StoryEvent(at_ns=int(line["at_ns"]), kind="training", title=title, sentence=sentence, tone=tone)


def rollout_events(root: Path, rollouts: Sequence[Rollout]) -> list[StoryEvent]:
    """Each decision that changed something."""
    found = []
    for rollout in rollouts:
        for one in read_decisions(rollout.folder(root)):
            if one.action != "hold":
                title = f"release {rollout.challenger}: {_in_words(one.action, one.step, rollout)}"
                tone: Tone = "good" if one.action == "promote" else "bad" if one.action in ("back", "abort") else "plain"
                sentence = "; ".join(one.reasons) or "as the settings say"
                found.append(StoryEvent(at_ns=one.at_ns, kind="rollout", title=title, sentence=sentence, tone=tone))
    return found


def _in_words(action: str, number: int, rollout: Rollout) -> str:
    step = next((one for one in rollout.steps if one.number == number), None)
    names = {"promote": "it becomes the champion", "back": "sent back", "abort": "ended by a user"}
    if step is None or action in names:
        return names.get(action, action)
    return "shadow begins" if step.mode == "shadow" else f"canary of {step.share_ppm / PPM:.0%} of the users begins"


def candidates(root: Path, rollouts: Sequence[Rollout], drills: Sequence[Drill], trainings: Path) -> list[TriedCandidate]:
    """All that were tried, refused ones too, in their order."""
    of_drill = {drill.release: f"what was served then, but {drill.sentence}" for drill in drills}
    found = [_tried(root, one, of_drill.get(one.challenger, TRAINED)) for one in rollouts]
    for line in json_lines(trainings / TRAININGS):
        if line.get("event") == "handed" and line["to"] == "refused":
            at_ns, reasons = int(line["at_ns"]), (str(line.get("why") or "no reason was given"),)
            found.append(_refused(at_ns, reasons))
    ordered = sorted(found, key=lambda one: one.begun_ns)
    return [TriedCandidate(**{**vars(one), "number": number}) for number, one in enumerate(ordered, start=1)]


def _tried(root: Path, rollout: Rollout, what: str) -> TriedCandidate:
    last = [one for one in read_decisions(rollout.folder(root)) if one.action in ("back", "promote", "abort")]
    steps = tuple(
        TriedStep(mode=one.mode, share=one.share_ppm / PPM, from_ns=one.from_ns, until_ns=one.until_ns) for one in rollout.steps
    )
    return TriedCandidate(
        number=0,
        release=rollout.challenger,
        beside=rollout.champion,
        what=what,
        begun_ns=rollout.begun_ns,
        ended_ns=rollout.ended_ns,
        outcome=rollout.outcome or "under way",
        reasons=last[-1].reasons if last else (rollout.why,) if rollout.why else (),
        steps=steps,
    )


def _refused(at_ns: int, reasons: tuple[str, ...]) -> TriedCandidate:
    return TriedCandidate(
        number=0, release=None, beside=None, what=TRAINED, begun_ns=at_ns, ended_ns=at_ns, outcome="refused", reasons=reasons
    )


def json_lines(path: Path) -> Iterator[dict[str, Any]]:
    """What a crash cut off is left out."""
    for text in path.read_bytes().splitlines() if path.is_file() else ():
        try:
            line = json.loads(text)
        except ValueError:
            continue
        if isinstance(line, dict):
            yield line
