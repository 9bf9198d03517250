"""One run of the feedback: files are taken in, their rows found in the journal, what has matured becomes final."""

from collections.abc import Callable
from pathlib import Path

from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

from contracts.clock import clock
from contracts.lifecycle.feedback import FeedbackConfig
from lifecycle.feedback.answered import until_ns
from lifecycle.feedback.intake.hiding import hider
from lifecycle.feedback.intake.inputs import input_files
from lifecycle.feedback.intake.taking import FILE
from lifecycle.feedback.intake.whole_file import FileTerms, take_file
from lifecycle.feedback.labels import FeedState
from lifecycle.feedback.matching import match
from lifecycle.feedback.maturing import mature, reopen
from lifecycle.feedback.moments import moment_ns, shown_time
from lifecycle.feedback.rules import CLASSES
from lifecycle.feedback.running.surroundings import Surroundings
from lifecycle.feedback.store import WATERMARK, FeedbackStore
from lifecycle.feedback.training.months import write_labelled
from lifecycle.feedback.written import state_of, write_labels, write_state

Say = Callable[[str], None]


@dataclass(frozen=True, kw_only=True, config=ConfigDict(extra="forbid"))
class FeedbackOrder:
    """What a run is asked to do. Texts, so that it can be sent."""

    inputs: tuple[str, ...] = ()  # files or folders
    complete: str | None = None  # until when the feed is complete: a month, a day or a time
    as_of: str | None = None  # when what the files say was said: a later one corrects an earlier one
    source: str | None = None  # who says it; sources that disagree contradict each other
    reopen: bool = False  # take in late corrections
    labelled: bool = False  # write the rows that can be trained on


def run_order(store: FeedbackStore, around: Surroundings, order: FeedbackOrder, say: Say) -> None:
    """Do it. Raises ValueError, and then nothing of the file that it is about was taken in; those before it were."""
    now_ns = clock().now_ns()
    complete_ns = _not_ahead(order.complete, "COMPLETE", now_ns)
    as_of_ns = _not_ahead(order.as_of, "--as-of", now_ns)
    files = [file for name in order.inputs for file in input_files(Path(name), around.declaration)]
    terms = FileTerms(
        now_ns=now_ns, as_of_ns=as_of_ns, source=order.source or FILE, has_end=complete_ns is None, hide=hider(around.journal)
    )  # fmt: skip
    for file in files:
        take_file(store, file, around.declaration, around.config, terms, say)
    if complete_ns is not None:
        store.mark(WATERMARK, complete_ns)
    state = look(store, around, now_ns, order.reopen, say)
    if order.labelled:
        write_labelled(store, Path(around.journal.folder), around.config, around.declaration, say)
    for line in words(state, around.config):
        say(line)


def look(store: FeedbackStore, around: Surroundings, now_ns: int, reopens: bool = False, say: Say | None = None) -> FeedState:
    """Take in what the journal has answered meanwhile, and make final what has matured; how the feed stands then.

    The endpoint goes on taking events in, and segments of the journal go on becoming Parquet. So how far both are is asked first:
    a watermark that comes while events are matched may have come with clicks that were not.
    """
    config, folder, journal = around.config, Path(around.config.folder), Path(around.journal.folder)
    watermark_ns, answered_ns = store.marked(WATERMARK), until_ns(journal, now_ns)
    match(store, journal, config, now_ns, answered_ns)
    if reopens:
        number = reopen(store, now_ns)
        if say is not None:
            say(f"{number} late corrections were taken in")
    if watermark_ns is not None:
        mature(store, journal, config, now_ns, min(watermark_ns, answered_ns))
    write_labels(store, folder)
    store.tidy(now_ns)
    state = state_of(store, config.maturity_ns, now_ns)
    write_state(folder, state)
    return state


def _not_ahead(text: str | None, what: str, now_ns: int) -> int | None:
    if text is None:
        return None
    found = moment_ns(text, what)
    if found > now_ns:
        raise ValueError(
            f"{what} lies in the future: {shown_time(found)}, and it is {shown_time(now_ns)} UTC; give one that has passed"
        )
    return found


def words(state: FeedState, config: FeedbackConfig) -> list[str]:
    """The counts, and what somebody has to know."""
    counts = " + ".join(f"{getattr(state, name):,} {name}" for name in CLASSES)
    lines = [
        f"{state.received:,} events received = {counts}",
        f"complete until {shown_time(state.watermark_ns)}; {state.final_rows:,} labels are final, {state.open_rows:,} shown rows "
        "are not yet",
    ]
    if state.late_corrections > state.reopened:
        lines.append(f"{state.late_corrections - state.reopened:,} corrections came too late; REOPEN=1 takes them in")
    if state.unshown_clicks and not config.all_shown:
        lines.append(
            f"{state.unshown_clicks:,} rows were clicked, and nobody said that they were shown: they get no label; send shown "
            "events, or set feedback.all_shown if every row that was answered was shown"
        )
    return lines
