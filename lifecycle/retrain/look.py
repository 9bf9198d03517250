"""One look: a training that ended is harvested, one that is done is handed over, and another begins if it is time to.

What is decided is a line of the ledger before it is done, so that a look that was killed is taken up by the next one.
"""

import secrets
import subprocess
from collections.abc import Sequence
from typing import cast

from contracts.clock import clock
from contracts.dataset.served import ROWS
from contracts.params import section_values
from contracts.serving.releases import EXPORTED, model_of
from lifecycle.retrain.budget import spent_core_s, tell_budget, tell_failure
from lifecycle.retrain.calendar import shown
from lifecycle.retrain.causes import Cause, Known, cause_of, obstacle_of
from lifecycle.retrain.handing import NotYet, hand_over
from lifecycle.retrain.launch import end_left, has_begun, is_running, launch
from lifecycle.retrain.ledger import Outcome, Training, TrainingBegan, TrainingEnded, append, open_training, read_trainings
from lifecycle.retrain.observe import data_until, known_of
from lifecycle.retrain.surroundings import Retraining
from lifecycle.retrain.training.order import End, Order, read_end, read_spent
from lifecycle.retrain.training.place import SERVED, reduce_place

LOAD_PYTHON = ".venv-load/bin/python"
FEEDBACK_SECTIONS = ("serving.journal", "feedback")
DIED = "it was killed, or the machine was started anew"


def look(around: Retraining, asked: str | None = None) -> str:
    """What there is to say, in a line. `asked`: a user wants a training now, and why.

    Raises ValueError or OSError if a training that is due cannot begin.
    """
    training = open_training(read_trainings(around.root))
    if training is not None and training.ended is None:
        if (said := _follow(around, training)) is not None:
            return said
        training = open_training(read_trainings(around.root))
    if training is not None:
        found = hand_over(around, training)
        if isinstance(found, NotYet):
            return found.why
        append(around.root, training.name, found)
        reduce_place(around.folder(training.name))
        if found.to == "rollout":
            return f"release {found.release} of {training.name} is being tried"
        return f"{training.name} is {found.to}: {found.why}"
    return _begin(around, asked)


def _follow(around: Retraining, training: Training) -> str | None:
    """Harvest a training that has ended; what to say of one that has not."""
    folder, now_ns = around.folder(training.name), clock().now_ns()
    end = read_end(folder)
    core_s, seconds = read_spent(folder)
    if end is None and is_running(folder):
        _account(around, core_s)
        return f"{training.name} trains for {seconds / 60:.0f} min, {core_s / 3600:.2f} core hours so far"
    if end is None and not has_begun(folder):
        _launch(around, training.began)
        return f"{training.name} begins: {training.began.reason}"
    if end is None:
        end = read_end(folder) or End(outcome="died", seconds=seconds, core_s=max(core_s, end_left(folder)), why=DIED)
    exported, split = folder / EXPORTED, folder / "reports/split.json"
    is_trained = end.outcome == "trained"
    ended = TrainingEnded(
        outcome=cast(Outcome, end.outcome),
        at_ns=now_ns,
        seconds=end.seconds,
        core_s=end.core_s,
        why=end.why,
        model=model_of(exported) if is_trained else None,
        data_until_ns=data_until(split) if is_trained and split.is_file() else None,
    )
    append(around.root, training.name, ended)
    _account(around, 0.0)
    tell_failure(around.monitor, None if is_trained else f"{training.name} {ended.outcome}: {ended.why}")
    if is_trained:
        return None
    reduce_place(folder)
    return f"{training.name} {ended.outcome}: {ended.why}"


def _begin(around: Retraining, asked: str | None) -> str:
    trainings = read_trainings(around.root)
    known = known_of(around, trainings, _account(around, 0.0))
    cause = cause_of(around.config, known) if asked is None else Cause(kind="asked", reason=asked or "a user asked for it")
    if cause is None:
        return f"no training is due{_last(trainings)}"
    if (obstacle := obstacle_of(around.config, known, asked is not None)) is not None:
        return f"{cause.kind}, but {obstacle}"
    if known.rows is not None:
        _write_labelled(around)
    began = _began(around, known, cause)
    append(around.root, began.name, began)
    _launch(around, began)
    return f"{began.name} begins ({cause.kind}): {cause.reason}"


def _began(around: Retraining, known: Known, cause: Cause) -> TrainingBegan:
    served = [f"data.source.served={SERVED}"] if known.rows is not None else []
    return TrainingBegan(
        name=f"{shown(known.now_ns)[:10]}-{secrets.token_hex(2)}",
        at_ns=known.now_ns,
        cause=cause.kind,
        reason=cause.reason,
        rows=known.rows,
        mature_until_ns=known.mature_until_ns,
        overrides=(*around.config.overrides, *started_by(around.config.start), *served),
    )


def started_by(start: str) -> list[str]:
    """The override of the initial weights, where the pipeline has a choice."""
    return [] if section_values("train.start") is None else [f"train.start={start}"]


def _launch(around: Retraining, began: TrainingBegan) -> None:
    config = around.config
    order = Order(
        overrides=began.overrides, longest_s=config.longest_h * 3600, nice=config.nice, earlier_months=config.earlier_months
    )
    launch(around.project, around.folder(began.name), order, None if began.rows is None else around.labelled)


def _account(around: Retraining, running_core_s: float) -> float:
    """What this calendar month has cost; whoever is to know of it is told."""
    now_ns = clock().now_ns()
    core_s = spent_core_s(read_trainings(around.root), now_ns, running_core_s)
    tell_budget(around.monitor, core_s, around.config.budget_core_hours, now_ns)
    return core_s


def _write_labelled(around: Retraining) -> None:
    """Have feedback write the rows with final labels. Raises ValueError with its words."""
    told = [part for word in around.settings.words_of(FEEDBACK_SECTIONS) for part in ("--set", word)]
    command = [LOAD_PYTHON, "-m", "lifecycle.feedback", "--labelled", *told]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ValueError(f"`{' '.join(command[1:4])}` failed: {' '.join(done.stderr.split())[-300:]}")
    if next(around.labelled.glob(f"*/{ROWS}"), None) is None:
        raise ValueError(f"{around.labelled} has no rows with final labels, though feedback wrote what there is")


def _last(trainings: Sequence[Training]) -> str:
    """What became of the last one."""
    if not trainings:
        return ""
    last = trainings[-1]
    if last.handed is not None:
        return f"; {last.name}: {last.handed.to}{f': {last.handed.why}' if last.handed.why else ''}"
    return "" if last.ended is None else f"; {last.name}: {last.ended.outcome}"
