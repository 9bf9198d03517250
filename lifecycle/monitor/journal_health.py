"""The monitor's area "journal": is it Parquet in time, was anything lost or damaged, how much of its room does it take."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from contracts.clock import clock
from contracts.dataset.config_errors import ConfigError
from contracts.serving.config import JournalConfig
from lifecycle.journal.retention import opened
from lifecycle.journal.served import DONE, is_closed, names_done, unserved
from lifecycle.monitor.findings import Area, Context, Finding
from lifecycle.monitor.machine.limits import half_way, limited
from serving.journal.bound import GIB, disk_bytes
from serving.journal.folder import SEGMENTS
from serving.server.settings import load_journal_config
from serving.triton.journal.images import IMAGES
from serving.triton.journal.options import FULL, IMAGES_FULL

DAY_NS = 24 * 3600 * 10**9
FAR = 12  # times the lag that is a warning is a page: nothing makes Parquet any more


def look(context: Context) -> Area:
    """Nothing but a note while there is no journal."""
    folder = context.journal
    if not (folder / SEGMENTS).is_dir():
        return Area(name="journal", notes=[f'there is no journal in {folder}; make serve ARGS="--journal {folder}" keeps one'])
    notes = list[str]()
    findings = [_lag(context), *_losses(context, notes)]
    try:
        config = load_journal_config()
    except ConfigError as error:
        config = None
        notes.append(f"room: {error}")
    if config is not None:
        findings += _room(context, config)
    return Area(name="journal", findings=findings, notes=notes)


def _lag(context: Context) -> Finding:
    """Age of the oldest answers that are not Parquet, in seconds of the machine: a clock may go faster."""
    limit, waiting = context.config.machine.lag_s, unserved(context.journal)
    now = datetime.fromtimestamp(context.now_ns / 1e9, UTC)
    lag_s = max([0.0, *((now - opened(path)).total_seconds() for path in waiting)]) / clock().rate
    closed = sum(map(is_closed, waiting))
    sentence = f"{len(waiting)} segments are not Parquet yet, {closed} of them closed; the oldest was begun {lag_s:,.0f} s ago"
    step = "see whether python -m lifecycle.journal --follow runs and what it says; what is not Parquet is watched by nobody"
    return limited(
        "parquet", "lag", lag_s, limit, context.now_ns, sentence, step, unit="seconds", page=FAR * limit, area="journal"
    )  # fmt: skip


def _losses(context: Context, notes: list[str]) -> list[Finding]:
    """What segments of the last day tell of answers that could not be written, and bytes of theirs that cannot be read."""
    since_ns = context.now_ns - DAY_NS
    done = [*_done_since(context.journal, since_ns, notes)]
    lost, answered = sum(one["lost_rows"] for one in done), sum(one["rows"] for one in done)
    share = lost / (lost + answered) if lost else 0.0
    sentence = (
        f"{lost:,} of {lost + answered:,} answered rows of the last day are not in the journal, because it could not be written"
    )
    step = "look for 'the journal cannot be written' in models/triton.log, and whether its disk is full or read-only"
    found = [
        limited(
            "rows", "lost", share, 1e-12, context.now_ns, sentence, step, unit="share of rows", page=0.01, area="journal",
            since_ns=since_ns, lost_rows=lost, rows=answered,
        )
    ]  # fmt: skip
    damaged = sorted(one["segment"] for one in done if any(not damage["is_torn"] for damage in one["damages"]))
    newest = max(names_done(context.journal), default="")
    stuck = [path.name for path in unserved(context.journal) if path.name < newest and _is_stuck(path, context.now_ns)]
    names = [*damaged, *stuck]
    sentence = f"{len(names)} segments of the last day cannot be read, or not wholly" + (
        f": {', '.join(names[:3])}" if names else ""
    )
    step = "python -m lifecycle.journal says which bytes; a disk, or somebody, changed them: check the disk"
    found.append(
        limited(
            "segments", "damaged", float(len(names)), 1.0, context.now_ns, sentence, step, unit="segments", area="journal",
            since_ns=since_ns, names=names[:20],
        )
    )  # fmt: skip
    return found


def _is_stuck(path: Path, now_ns: int) -> bool:
    """Was it closed a while ago: if others behind it are Parquet, whoever makes Parquet cannot read it."""
    return is_closed(path) and opened(path) < datetime.fromtimestamp(now_ns / 1e9, UTC) - timedelta(minutes=1)


def _done_since(folder: Path, since_ns: int, notes: list[str]) -> Iterator[dict[str, Any]]:
    """The notes of segments that were begun since then."""
    since = datetime.fromtimestamp(since_ns / 1e9, UTC)
    for name in sorted(names_done(folder)):
        if opened(Path(name)) < since:
            continue
        try:
            yield json.loads((folder / DONE / f"{name}.json").read_bytes())
        except FileNotFoundError:  # removed since
            continue
        except ValueError:
            notes.append(f"losses: {folder / DONE / name}.json cannot be read; remove it and run python -m lifecycle.journal")


def _room(context: Context, config: JournalConfig) -> Iterator[Finding]:
    """Shares of what the journal and its images may take."""
    limit = context.config.machine.journal_disk
    parts = (
        ("disk", disk_bytes(context.journal), config.max_gib, "max_gib", FULL),
        ("images", disk_bytes(context.journal, (IMAGES,)), config.images_max_gib, "images_max_gib", IMAGES_FULL),
    )
    for subject, size, most, key, mark in parts:
        if most is None:
            continue
        is_full = (context.journal / mark).exists()
        share = max(size / (most * GIB), float(is_full))
        sentence = f"{size / GIB:,.2f} of {most:g} GiB are taken (serving.journal.{key})"
        sentence += "; nothing more is written" if is_full else ""
        step = f"see whether python -m lifecycle.journal --follow runs, which removes the oldest; or raise serving.journal.{key}"
        yield limited(
            subject, "room", share, limit, context.now_ns, sentence, step, unit="share of the bound", page=half_way(limit),
            area="journal",
        )  # fmt: skip
