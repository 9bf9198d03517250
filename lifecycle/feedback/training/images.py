"""Images of labelled rows, out of the journal's store: a file for each creative, called as its id."""

from pathlib import Path

from contracts.dataset.declaration import Declaration
from contracts.files import write_whole
from lifecycle.feedback.store import FeedbackStore
from lifecycle.journal.columns import TAKEN
from lifecycle.journal.images import DamagedImage, NoImage, read_image

PNG, JPEG = b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff"
LONGEST_NAME = 240  # bytes of a file's name, with room for what is written beside it
LAST = """
SELECT CAST(s.{creative} AS VARCHAR) AS creative, arg_max(s.image_sha256, (s.answered_at, s.prediction_id, s.row)) AS digest
FROM labelled l JOIN journalled s USING (prediction_id, row)
WHERE strftime(make_timestamp_ns(coalesce(epoch_ns(s.event_at), epoch_ns(s.answered_at))), '%Y-%m') = ?
    AND s.{creative} IS NOT NULL
GROUP BY creative ORDER BY creative
"""


def write_images(store: FeedbackStore, journal: Path, folder: Path, month: str, declaration: Declaration) -> str:
    """Write the last image of each creative of the month; words on how many, and why others are not there."""
    name = _column(store, declaration)
    if name is None:
        return ""
    written, missing, unfit = 0, 0, 0
    for creative, digest in store.db.execute(LAST.format(creative=f'"{name}"'), [month]).fetchall():
        if not is_file_name(creative):
            unfit += 1
            continue
        try:
            content = read_image(journal, digest or "")
        except (NoImage, DamagedImage):
            missing += not any((folder / f"{creative}{suffix}").is_file() for suffix in (".png", ".jpg"))
            continue
        keep_image(folder, creative, content)
        written += 1
    said = f", {written:,} images"
    said += f"; {missing:,} creatives have none in the journal (serving.journal.images)" if missing else ""
    return said + (f"; {unfit:,} have an id that is no file's name" if unfit else "")


def _column(store: FeedbackStore, declaration: Declaration) -> str | None:
    names = [column[0] for column in store.db.execute("SELECT * FROM journalled LIMIT 0").description or []]
    creative = declaration.creative
    own = [] if creative is None else [TAKEN.format(creative.name), creative.name]
    return next((name.replace('"', '""') for name in own if name in names), None)


def keep_image(folder: Path, creative: str, content: bytes) -> None:
    """The image, called as its creative, in place of any other of it."""
    suffix, other = (".jpg", ".png") if content.startswith(JPEG) else (".png", ".jpg")
    if not _has(folder / f"{creative}{suffix}", content):
        write_whole(folder / f"{creative}{suffix}", content)
    (folder / f"{creative}{other}").unlink(missing_ok=True)


def is_file_name(creative: str) -> bool:
    """Can a file be called so, and nothing else than a file of the folder."""
    is_short = 0 < len(creative.encode()) <= LONGEST_NAME
    return is_short and not creative.startswith(".") and not any(character in creative for character in "/\\\0")


def _has(path: Path, content: bytes) -> bool:
    return path.is_file() and path.read_bytes() == content
