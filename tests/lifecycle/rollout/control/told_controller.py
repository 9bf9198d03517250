"""`python -m tests.lifecycle.rollout.control.told_controller NUMBER CHALLENGER VERDICT`: the controller as it is, of the rollout
with this number, whose evidence says VERDICT two and a half days after the last step has begun.
"""

import sys
from dataclasses import replace
from pathlib import Path

from contracts.clock import clock
from lifecycle.rollout.control.begin import begin
from lifecycle.rollout.control.control import Control, LookEvidence, only_controller
from lifecycle.rollout.control.files import read_rollouts
from lifecycle.rollout.control.follow import follow
from lifecycle.rollout.judgement import Judgement
from lifecycle.rollout.rollout import Rollout
from serving.releases.store import Store
from serving.server.settings import load_server_config
from tests.lifecycle.rollout.control.controlled_world import DAY_NS, STEPS, control_in

EVERY_S, VALID_S = 864.0, 30 * 86400  # of the clock: ten milliseconds and half a minute of a day a second
LAST_DAYS = 2.5


def main() -> None:
    number, challenger, verdict = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    server = load_server_config()
    control = replace(
        control_in(Path.cwd(), every_s=EVERY_S, valid_s=VALID_S),
        server=server,
        store=Store(Path(server.store)),
        observe=lambda control, rollout: seen(rollout, verdict),
    )
    with only_controller(control.root):
        if len(read_rollouts(control.root)) < number:
            begin(control, challenger)
        follow_if_running(control)


def follow_if_running(control: Control) -> None:
    if read_rollouts(control.root)[-1].status != "ended":
        print("ready", flush=True)
        follow(control)


def seen(rollout: Rollout, verdict: str) -> LookEvidence:
    """A judgement of each day that is over; the verdict when the last step has lasted for so long that all users have asked."""
    now_ns, last = clock().now_ns(), rollout.steps[-1]
    is_told = last.number + 1 == len(STEPS) and now_ns - last.from_ns > LAST_DAYS * DAY_NS
    days = range(1, (now_ns - rollout.begun_ns) // DAY_NS + 1)
    found = [_judgement(rollout, day, verdict if is_told and day == days[-1] else "hold") for day in days]
    return LookEvidence(judgements=tuple(found), labelled=1000)


def _judgement(rollout: Rollout, day: int, verdict: str) -> Judgement:
    until_ns = rollout.begun_ns + day * DAY_NS
    return Judgement(rows=day * 100, until_ns=until_ns, verdict=verdict, metrics=(), ratios=(), reasons=(verdict,))


if __name__ == "__main__":
    main()
