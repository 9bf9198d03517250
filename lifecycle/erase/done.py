"""The erasure itself, step by step: killed at any of them and run again, it goes on with what is left."""

import time
from collections.abc import Callable, Iterable
from pathlib import Path

from contracts.lifecycle.feedback import FeedbackConfig
from lifecycle.erase import dvc, feedback, images, notes, parquet, rollouts, segments, source
from lifecycle.erase.found import Findings
from lifecycle.erase.wanted import Wanted
from lifecycle.journal.served import is_closed
from serving.journal.folder import SEGMENTS

Say = Callable[[str], None]
LOOK_S, SAY_S = 0.2, 5.0


def await_closed(journal: Path, most_s: float, say: Say) -> None:
    """Wait until the segments that are being written now are closed. Raises ValueError if they are not after `most_s`."""
    waited_for = [path for path in (journal / SEGMENTS).glob("*.segment") if not is_closed(path)]
    begun, told = time.monotonic(), -SAY_S
    while waited_for := [path for path in waited_for if path.exists() and not is_closed(path)]:
        left_s = begun + most_s - time.monotonic()
        if left_s < 0:
            raise ValueError(
                f"{len(waited_for)} segments of {journal} are still being written after {most_s:g} s, such as "
                f"{waited_for[0].name}; a server closes them after serving.journal.segment_s, or when it ends; run the command "
                "again then"
            )
        if time.monotonic() - told >= SAY_S:
            say(f"{len(waited_for)} segments are being written; waiting until they are closed, at most {left_s:.0f} s")
            told = time.monotonic()
        time.sleep(LOOK_S)


def erase(
    journal: Path,
    found: Findings,
    wanted: Wanted,
    entity: str,
    why: str,
    project: Path,
    labels: FeedbackConfig | None = None,
) -> None:
    """Do what was found, between two lines of erased.jsonl. `entity` is what these say of the user."""
    pointers = {str(pointer.relative_to(project)) for pointer in found.pointers}
    begun = notes.unfinished(journal, entity)
    pointers |= {name for line in begun for name in line.get("pointers", [])}
    notes.append(journal, notes.BEGUN, entity=entity, why=why, found=found.counts(), pointers=sorted(pointers))
    rollouts.erase(found.rollouts, wanted, found.of_feedback.rows)  # before the journal, which says which rows are theirs
    if labels is not None:  # likewise
        feedback.erase(labels, found.of_feedback, wanted)
    _in_journal(journal, found, wanted)
    for file, _ in found.raw.values():
        source.erase(file, wanted)
    _track(project / name for name in sorted(pointers))
    notes.append(journal, notes.DONE, entity=entity, why=why, erased=found.counts(), not_ours=sum(found.others.values()))


def _in_journal(journal: Path, found: Findings, wanted: Wanted) -> None:
    """Images first: what tells whose they are is in the rows."""
    segments.clean(journal / SEGMENTS)
    for path in found.images:
        images.erase(path)
    for path in found.segments:
        segments.erase(path, wanted)
    for path in found.served:
        parquet.erase(journal, path, wanted)


def _track(pointers: Iterable[Path]) -> None:
    for pointer in pointers:
        if pointer.is_file():
            dvc.add(pointer)
