"""Is it time for another model, and what stands in the way. Functions of values, without files."""

from dataclasses import dataclass

from contracts.lifecycle.retraining import RetrainingConfig
from lifecycle.retrain.calendar import after, end_of_month, last_whole_month, shown
from lifecycle.retrain.ledger import CauseKind

HOUR_S = 3600


@dataclass(frozen=True, kw_only=True)
class Known:
    """What is known at a look. Times are of the clock, nanoseconds since 1970."""

    now_ns: int
    model_until_ns: int | None  # until when the last model's data is complete; None: nobody knows
    mature_until_ns: int | None  # answers until then have final labels; None: no feed has said so
    rows: int | None  # with final labels; None: another source is trained on
    drift: str | None = None  # what the monitor says of the inputs, if it warns
    quality: str | None = None  # of the predictions beside the labels
    ended_ns: int | None = None  # the last training
    rollout: str | None = None  # what is under way
    core_s: float = 0.0  # spent in this calendar month


@dataclass(frozen=True, kw_only=True)
class Cause:
    kind: CauseKind
    reason: str


def cause_of(config: RetrainingConfig, known: Known) -> Cause | None:
    """The gravest reason for a training; None if there is none."""
    if "quality" in config.triggers and known.quality is not None:
        return Cause(kind="quality", reason=known.quality)
    if "drift" in config.triggers and known.drift is not None:
        return Cause(kind="drift", reason=known.drift)
    if "new_month" in config.triggers and (month := new_month(known)) is not None:
        return Cause(kind="new_month", reason=f"all labels of {month} are final")
    if config.every == "never":
        return None
    if known.model_until_ns is None:
        return Cause(kind="every", reason="nobody knows until when the data of the last model goes")
    if after(known.model_until_ns, config.every) <= known.now_ns:
        return Cause(
            kind="every", reason=f"the data of the last model ends {shown(known.model_until_ns)}, {config.every} ago or more"
        )
    return None


def new_month(known: Known) -> str | None:
    """A month all of whose labels are final, and which the last model has not seen whole."""
    if known.mature_until_ns is None or known.model_until_ns is None:
        return None
    month = last_whole_month(known.mature_until_ns)
    return month if known.model_until_ns < end_of_month(month) else None


def obstacle_of(config: RetrainingConfig, known: Known, is_asked: bool = False) -> str | None:
    """Why no training begins though there is a cause; None if nothing stands in the way. A user who asks need not wait."""
    if known.rollout is not None:
        return known.rollout
    if known.ended_ns is not None and not is_asked and known.now_ns < (until := after(known.ended_ns, config.cool_down)):
        return f"after the last training there is none until {shown(until)} (cool_down)"
    if known.rows is not None and known.rows < config.rows:
        return f"{known.rows:,} rows have final labels, {config.rows:,} are needed (rows)"
    if known.core_s >= config.budget_core_hours * HOUR_S:
        spent, budget = known.core_s / HOUR_S, config.budget_core_hours
        return f"{spent:.2f} of {budget:g} core hours of this month are spent (budget_core_hours)"
    return None
