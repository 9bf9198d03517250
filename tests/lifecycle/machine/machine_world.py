"""What an area is asked to look at: folders of a test, a clock that says what the test says."""

from pathlib import Path
from typing import cast

from contracts.dataset.declaration import Declaration
from lifecycle.monitor.findings import Area, Context, Finding
from tests.alerts.alert_world import START_NS, config


def context(folder: Path, now_ns: int = START_NS) -> Context:
    return Context(
        declaration=cast(Declaration, None),  # these areas do not ask
        config=config(),
        journal=folder / "journal",
        feedback=folder / "feedback",
        store=folder / "models",
        state=folder / "monitor",
        now_ns=now_ns,
    )


def finding(area: Area, subject: str, kind: str) -> Finding:
    (found,) = [one for one in area.findings if (one.subject, one.kind) == (subject, kind)]
    return found
