"""A rollout's state and decisions, made by judging simulated rows."""

from lifecycle.rollout.control.files import Decision, Remembered
from lifecycle.rollout.rollout import Rollout, Step
from lifecycle.rollout.statistics.judge import judge
from tests.lifecycle.rollout.statistics.simulated_pairs import DAY_NS, START_NS, assigned, settings, simulated

STEPS = (
    Step(number=0, mode="shadow", share_ppm=0, digest="0" * 16, from_ns=START_NS - DAY_NS, until_ns=START_NS),
    Step(number=1, mode="canary", share_ppm=50_000, digest="1" * 16, from_ns=START_NS, until_ns=START_NS + 4 * DAY_NS),
    Step(
        number=2,
        mode="canary",
        share_ppm=500_000,
        digest="2" * 16,
        from_ns=START_NS + 4 * DAY_NS,
        until_ns=START_NS + 11 * DAY_NS,
    ),
)


def sample(noise: float = 0.8, **changed) -> tuple[Remembered, list[Decision]]:
    """Sent back by its log-loss; with noise 0.2 it is still under way."""
    pairs = simulated(3, noise=noise, step=2)
    looks = judge(pairs, assigned(pairs), STEPS, settings(**changed))
    decisions = [Decision(at_ns=STEPS[0].from_ns, step=0, action="begin", who="ann", reasons=("the newest export",))]
    for look in looks:
        action = "back" if look.verdict == "back" else "hold"
        decisions.append(Decision(at_ns=look.until_ns + DAY_NS, step=2, action=action, judgement=look, reasons=look.reasons))
    is_back = decisions[-1].action == "back"
    rollout = Rollout(
        name="2025-11-30-13-9f86",
        champion=12,
        challenger=13,
        salt="9f86d081",
        begun_ns=STEPS[0].from_ns,
        status="ended" if is_back else "running",
        steps=STEPS,
        outcome="back" if is_back else None,
        ended_ns=decisions[-1].at_ns if is_back else None,
        why=decisions[-1].reasons[0] if is_back else "",
        who="ann",
    )
    return Remembered(rollout=rollout, config=settings(**changed), acted=len(decisions)), decisions
