"""Months that the project had before anything was served: from `data/clean`, beside the rows that were served and labelled.

Rows of a few weeks alone know fewer users and creatives than the champion does.
"""

from collections.abc import Sequence
from pathlib import Path

from contracts.dataset.served import CREATIVES, ROWS
from contracts.files import link_or_copy
from contracts.tables.parquet import streamed
from lifecycle.feedback.training.images import is_file_name, keep_image

CLEAN = Path("data/clean")
IMAGES = "creatives.parquet"


def add_earlier(clean: Path, served: Path, months: int) -> Sequence[str]:
    """Put the last `months` of `clean` that end before the first of `served` beside it, in the same shape; their names.

    A month of which anything was served is not among them, so that no row is trained on twice.
    """
    first = min((path.parent.name for path in served.glob(f"*/{ROWS}")), default=None)
    before = sorted(path.parent.name for path in clean.glob(f"*/{ROWS}") if first is None or path.parent.name < first)
    names = before[len(before) - min(months, len(before)) :]
    for name in names:
        (served / name).mkdir(parents=True)
        link_or_copy(clean / name / ROWS, served / name / ROWS)
        if (clean / name / IMAGES).is_file():
            _write_images(clean / name / IMAGES, served / name / CREATIVES)
    return names


def _write_images(images: Path, folder: Path) -> None:
    for batch in streamed(images).iter_batches(batch_size=64):
        for creative, content in zip(batch["creative_id"].to_pylist(), batch["image"].to_pylist(), strict=True):
            if is_file_name(creative):
                keep_image(folder, creative, content)
