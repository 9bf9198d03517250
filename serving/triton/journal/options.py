"""How the journal is kept, as the server's environment says it; serving/native/journal/options.h reads the same."""

import os
from dataclasses import dataclass
from pathlib import Path

from contracts.clock import Clock, clock
from serving.triton.environment import JOURNAL, JOURNAL_IMAGES

IMAGES_KEPT = ("none", "unknown", "all")  # of creatives that the model did not know
# Files in the folder, while it holds as much as it may, or its images do: no more is written (serving/journal/bound.py)
FULL, IMAGES_FULL = "full", "images-full"


@dataclass(frozen=True, kw_only=True)
class JournalOptions:
    segment_bytes: int
    segment_s: float
    sync_ms: int
    refuses: bool
    folder: Path
    clock: Clock  # of all times that are written
    images: str  # one of IMAGES_KEPT


def journal_options() -> JournalOptions | None:
    """None if no journal is kept. Raises ValueError."""
    text = os.environ.get(JOURNAL)
    if text is None:
        return None
    known = clock()
    images = _images_kept()
    try:
        size, seconds, sync_ms, on_error, folder = text.split(" ", 4)
        options = JournalOptions(
            segment_bytes=int(size),
            segment_s=float(seconds),
            sync_ms=int(sync_ms),
            refuses={"answer": False, "refuse": True}[on_error],
            folder=Path(folder),
            clock=known,
            images=images,
        )
    except (ValueError, KeyError):
        raise ValueError(
            f"{JOURNAL} is not understood: expected 'SEGMENT_BYTES SEGMENT_S SYNC_MS answer|refuse FOLDER', got '{text[:60]}'; "
            "start Triton as `make serve` does"
        ) from None
    return options


def _images_kept() -> str:
    kept = os.environ.get(JOURNAL_IMAGES, "none")
    if kept not in IMAGES_KEPT:
        raise ValueError(
            f"{JOURNAL_IMAGES} is not understood: expected one of {', '.join(IMAGES_KEPT)}, got '{kept[:60]}'; "
            "start Triton as `make serve` does"
        )
    return kept
