"""Where a user is, before anything is changed: counts for each place, and what cannot be looked into."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from contracts.dataset.declaration import Declaration
from contracts.lifecycle.feedback import FeedbackConfig
from lifecycle.erase import feedback, images, parquet, rollouts, segments, source
from lifecycle.erase.feedback import FeedbackHeld
from lifecycle.erase.wanted import Wanted
from lifecycle.journal.answers import Unreadable
from lifecycle.journal.segments import NotASegment
from serving.journal.folder import SEGMENTS

Say = Callable[[str], None]
EVERY = 200  # files between two words on how far it is


@dataclass(kw_only=True)
class Findings:
    """What is to be done, in the order in which it is done; rows of each."""

    images: list[Path] = field(default_factory=list)
    segments: dict[Path, int] = field(default_factory=dict)
    served: dict[Path, int] = field(default_factory=dict)
    raw: dict[Path, tuple[source.RawFile, int]] = field(default_factory=dict)  # ours
    others: dict[Path, int] = field(default_factory=dict)  # raw files that are not ours
    rollouts: dict[Path, int] = field(default_factory=dict)  # files of their evidence
    of_feedback: FeedbackHeld = field(default_factory=FeedbackHeld)
    not_looked_into: list[str] = field(default_factory=list)  # which, and why

    @property
    def pointers(self) -> set[Path]:
        return {file.pointer for file, _ in self.raw.values() if file.pointer is not None}

    def counts(self) -> dict[str, int]:
        """Of what is ours."""
        return {
            "journal_rows": sum(self.segments.values()),
            "journal_segments": len(self.segments),
            "parquet_rows": sum(self.served.values()),
            "parquet_files": len(self.served),
            "images": len(self.images),
            "raw_rows": sum(rows for _, rows in self.raw.values()),
            "raw_files": len(self.raw),
            "rollout_rows": sum(self.rollouts.values()),
            **self.of_feedback.counts(),
        }


def find(
    journal: Path,
    declaration: Declaration,
    wanted: Wanted,
    project: Path,
    say: Say,
    labels: FeedbackConfig | None = None,
    tried: str = "rollouts",
) -> Findings:
    """`journal` is the journal's folder, in which there may be nothing; `labels` says where feedback lies, if there is any;
    `tried`: folder of the rollouts.
    """
    found = Findings()
    _in_journal(journal, wanted, found, say)
    if labels is not None:
        found.of_feedback = feedback.look((path for path, rows in found.served.items() if rows), labels, wanted)
    found.rollouts = rollouts.look(project / tried, wanted, found.of_feedback.rows)
    labelled = {path.resolve() for path in found.of_feedback.labelled}  # which a source of what was served reads
    for file in source.raw_files(declaration, wanted, project):
        if file.path.resolve() in labelled:
            continue
        try:
            rows = source.count(file, wanted)
        except (source.NotRewritten, OSError, UnicodeError, ValueError) as error:
            found.not_looked_into.append(f"{file.path}: {error}")
            continue
        if rows and file.pointer is not None:
            found.raw[file.path] = file, rows
        elif rows:
            found.others[file.path] = rows
    return found


def _in_journal(journal: Path, wanted: Wanted, found: Findings, say: Say) -> None:
    """The rows of the user, and their images that no other row has."""
    theirs, others = set[bytes](), set[bytes]()
    paths = sorted((journal / SEGMENTS).glob("*.segment"))
    reasons: dict[str, int] = {}
    for number, path in enumerate(paths, 1):
        if number % EVERY == 0:
            say(f"{number} of {len(paths)} segments")
        try:
            held = segments.look(path, wanted)
        except (NotASegment, Unreadable) as error:
            found.not_looked_into.append(f"{path.name}: {error}")
            continue
        if held.why_not is not None:
            reasons[held.why_not] = reasons.get(held.why_not, 0) + 1
        if held.is_affected:
            found.segments[path] = held.rows
        theirs, others = theirs | held.images, others | held.other_images
    for path in parquet.files_of(journal):
        rows = parquet.look(path, wanted)
        if rows.rows or rows.is_routed:
            found.served[path] = rows.rows
        theirs, others = theirs | rows.images, others | rows.other_images
    found.images = images.kept(journal, theirs - others)
    found.not_looked_into += [f"{number} segments of the journal: {why}" for why, number in reasons.items()]
