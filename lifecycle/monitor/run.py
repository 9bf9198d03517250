"""One look of the monitor: all areas, the report, the page, the alerts."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from contracts.files import write_whole
from lifecycle.alerts.log import LOG
from lifecycle.alerts.notify import notify
from lifecycle.journal.served import SERVED
from lifecycle.locking import alone
from lifecycle.monitor.areas import looked_at
from lifecycle.monitor.findings import Context, MonitorReport
from lifecycle.monitor.inputs.area import serving
from lifecycle.monitor.page import write_page
from lifecycle.monitor.page.wording import counted

LOCK, REPORT, PAGE = "lock", "report.json", Path("reports/monitor.html")


@contextmanager
def only_monitor(folder: Path) -> Iterator[None]:
    """Raises ValueError if another process monitors with this folder."""
    folder.mkdir(parents=True, exist_ok=True)
    with alone(folder / LOCK, f"another process monitors with {folder}; stop it, or wait for it"):
        yield


def look_once(context: Context, page: Path = PAGE) -> MonitorReport:
    """The report, which is written, shown and told to whoever is alerted. Raises ValueError if nothing was served."""
    if next(iter((context.journal / SERVED).glob("*/*/*.parquet")), None) is None and not (context.state / "windows").is_dir():
        raise ValueError(
            f"{context.journal} has no answers as Parquet; serve with a journal (make serve ARGS='--journal journal'), and have "
            "`.venv-serving/bin/python -m lifecycle.journal` write it, "
            "once a segment is closed (serving.journal.segment_s)"
        )
    areas = looked_at(context)  # which counts what is new; then it is known who answered
    report = MonitorReport(at_ns=context.now_ns, dataset=context.declaration.name, serving=serving(context), areas=areas)
    write_whole(context.state / REPORT, json.dumps(report.as_dict()).encode(), synced=True)
    notify(report, context.config, context.state)
    write_page(report, page, context.state / LOG)
    return report


def lines_of(report: MonitorReport) -> list[str]:
    """What a person reads in the terminal."""
    found = [
        f"{finding.verdict}: {finding.sentence}; {finding.next_step}" for finding in report.findings if finding.verdict != "ok"
    ]
    notes = [f"note: {note}" for area in report.areas for note in area.notes]
    rows = sum(one.rows for one in report.serving)
    said = f"{rows:,} rows of {counted(len(report.serving), 'release')}, {counted(len(found), 'finding')}"
    return [*found, *notes, said]
