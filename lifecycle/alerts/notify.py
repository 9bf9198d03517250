"""Tells what a report of the monitor says: into `alerts.jsonl`, to the user's command, to Alertmanager (docs/alerts.md).

What happened is written down and synced first. The command gets everything that is written, in order, until it ends with 0; once
more if the program was killed while it ran. `alerts.state.json` says how far it has come.
"""

import json
import sys
from collections import Counter
from dataclasses import asdict, dataclass, field
from pathlib import Path

from contracts.clock import clock
from contracts.files import sync, write_whole
from contracts.lifecycle.monitor import AlertsConfig, MonitorConfig
from lifecycle.alerts.alert import Alert
from lifecycle.alerts.alertmanager import post_alerts
from lifecycle.alerts.changes import changes_of
from lifecycle.alerts.command import run_command
from lifecycle.alerts.log import AlertLog, alone
from lifecycle.alerts.rules import SEVERITIES
from lifecycle.monitor.findings import MonitorReport

STATE = "alerts.state.json"


@dataclass(frozen=True, kw_only=True)
class AlertState:
    """What is between two looks and no event."""

    told: int  # bytes of the log that the command has got
    absent: dict[str, int] = field(default_factory=dict)  # key of an open alert: since when it was not seen


def notify(report: MonitorReport, config: MonitorConfig, state_folder: Path) -> list[Alert]:
    """Write down and tell what this report changes, and what could not be told before. Returns what happened now.

    A command or an Alertmanager that fails is a sentence on stderr, and is tried again at the next look. Raises OSError if the
    log cannot be written; then nobody was told.
    """
    with alone(state_folder):
        log = AlertLog(state_folder)
        state = read_state(state_folder, log)
        changes = changes_of(report, config.alerts, log.open(), state.absent)
        log.append(changes.alerts)
        state = AlertState(told=state.told, absent=changes.absent)
        write_state(state_folder, state)
        _tell_command(log, config.alerts, state, state_folder)
        _tell_alertmanager(log, config, changes.alerts)
    return changes.alerts


def open_by_severity(state_folder: Path) -> dict[str, int]:
    """How many alerts hold, by severity."""
    held = Counter(alert.severity for alert in AlertLog(state_folder).open().values())
    return {severity: held[severity] for severity in SEVERITIES}


def _tell_command(log: AlertLog, config: AlertsConfig, state: AlertState, folder: Path) -> None:
    """Everything that it has not got; the first failure ends it. Where there is no command it has got everything."""
    if not config.command:
        write_state(folder, AlertState(told=log.size(), absent=state.absent))
        return
    waiting = [*log.since(state.told)]
    for number, (alert, place) in enumerate(waiting):
        if (failure := run_command(config.command, alert, config.timeout_s)) is not None:
            _say(f"{failure}; {len(waiting) - number} alerts wait for it, the next look tries again")
            return
        write_state(folder, AlertState(told=place, absent=state.absent))


def _tell_alertmanager(log: AlertLog, config: MonitorConfig, changed: list[Alert]) -> None:
    """All that holds, at each look, and what has just ended."""
    url = config.alerts.alertmanager
    if url is None:
        return
    alerts = [*log.open().values(), *(alert for alert in changed if alert.event == "resolved")]
    if alerts and (failure := post_alerts(url, alerts, clock(), config.every_s, config.alerts.timeout_s)) is not None:
        _say(f"{failure}; the next look tries again")


def read_state(folder: Path, log: AlertLog) -> AlertState:
    """What was written last. Where there is none, a command is told what comes from now on, and this is written down."""
    try:
        values = json.loads((folder / STATE).read_bytes())
        return AlertState(told=min(int(values["told"]), log.size()), absent={str(k): int(v) for k, v in values["absent"].items()})
    except FileNotFoundError:
        pass
    except (ValueError, KeyError, TypeError, AttributeError):
        _say(f"{folder / STATE} cannot be read; the command is told what happens from now on")
    state = AlertState(told=log.size())
    write_state(folder, state)
    return state


def write_state(folder: Path, state: AlertState) -> None:
    write_whole(folder / STATE, json.dumps(asdict(state)).encode(), synced=True)
    sync(folder)


def _say(sentence: str) -> None:
    print(f"alerts: {sentence}", file=sys.stderr, flush=True)
