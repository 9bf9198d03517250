"""`python -m lifecycle.live.timeline.facts`: writes live/facts.json, which the page is made of, from the play's folders.

It runs the releases' graphs over the journal again, so in serving's environment. It may be run while the play goes on.
"""

if __name__ == "__main__":  # before the imports below, which take their time
    from contracts.terminal import end_on_ctrl_c

    end_on_ctrl_c()

from pathlib import Path

from contracts.lifecycle.live import LiveConfig
from contracts.lifecycle.monitor import MonitorConfig
from contracts.lifecycle.retraining import LifecycleConfig
from contracts.lifecycle.rollout import RolloutConfig
from contracts.params import read_section
from contracts.serving.config import ServerConfig
from lifecycle.live.drills.schedule import read_drills
from lifecycle.live.months import fault_since_ms, month_of
from lifecycle.live.timeline.facts.again import RunAgain
from lifecycle.live.timeline.facts.answered import day_of, hours_of, played_days, played_rows
from lifecycle.live.timeline.facts.happened import alert_events, candidates, rollout_events, training_events, world_event
from lifecycle.live.timeline.facts.without import without_canary
from lifecycle.live.timeline.story import FACTS, Story, write_story
from lifecycle.rollout.control.files import read_rollouts
from serving.entry import run


def main() -> None:
    story = story_of(read_section("live", LiveConfig))
    write_story(story)
    print(f"live: {len(story.days)} days, {len(story.events)} events and {len(story.candidates)} candidates are in {FACTS}")


def story_of(config: LiveConfig) -> Story:
    """Of the play that is in this folder. Raises ValueError if nothing was played."""
    folder = Path(config.folder)
    days = played_days(folder)
    if not days:
        raise ValueError(f"nothing was played in {folder}/ so far; `make live` plays")
    again = RunAgain(journal=folder / "journal", store=Path(read_section("serving.server", ServerConfig).store))
    root = Path(read_section("rollout", RolloutConfig).folder)
    trainings = Path(read_section("lifecycle", LifecycleConfig).retraining.folder)
    rollouts = read_rollouts(root)
    tried = candidates(root, rollouts, read_drills(), trainings)
    rows = {day: played_rows(folder, day) for day in days}
    first = int(rows[days[0]]["release"][0])
    since_ns = None if config.fault is None else fault_since_ms(config.fault, (month_of(days[0]),)) * 10**6
    events = [
        *world_event(config.fault, since_ns or 0),
        *alert_events(Path(read_section("monitor", MonitorConfig).folder)),
        *training_events(trainings),
        *rollout_events(root, rollouts),
    ]
    return Story(
        first_day=str(days[0]),
        days=tuple(day_of(day, rows[day], again, first) for day in days),
        hours=tuple(hour for day in days for hour in hours_of(rows[day])),
        events=tuple(sorted(events, key=lambda one: one.at_ns)),
        candidates=tuple(tried),
        without=tuple(found for one in tried if (found := without_canary(folder, again, one)) is not None),
        drift_ns=since_ns,
    )


if __name__ == "__main__":
    run("live", main)
