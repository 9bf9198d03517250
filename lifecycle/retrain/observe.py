"""What a look reads: the monitor's report and alerts, the state of the labels, the last model's data, rollouts."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from contracts.clock import clock
from contracts.lifecycle.champion import CHAMPION
from lifecycle.alerts.log import AlertLog
from lifecycle.feedback.labels import label_files, read_state
from lifecycle.monitor.findings import report_from
from lifecycle.retrain.calendar import end_of_day, time_ns
from lifecycle.retrain.causes import Known
from lifecycle.retrain.ledger import Training
from lifecycle.retrain.surroundings import Retraining
from lifecycle.rollout.control.files import read_rollouts

REPORT = "report.json"
SPLITS = (CHAMPION / "split.json", Path("reports/split.json"))  # of the champion; of the newest export, if there was none ever
BAD = ("warning", "page")


def known_of(around: Retraining, trainings: Sequence[Training], core_s: float) -> Known:
    """What is known now. Raises ValueError for files of another version."""
    now_ns, mature_until_ns = clock().now_ns(), mature_until(around)
    ended = [training.ended.at_ns for training in trainings if training.ended is not None]
    return Known(
        now_ns=now_ns,
        model_until_ns=model_until(around, trainings),
        mature_until_ns=mature_until_ns,
        rows=sum(pq.read_metadata(path).num_rows for path in label_files(around.feedback)) if around.is_served else None,
        drift=warned(around, "inputs"),
        quality=warned(around, "quality"),
        ended_ns=max(ended, default=None),
        rollout=under_way(around),
        core_s=core_s,
    )


def mature_until(around: Retraining) -> int | None:
    """Answers until then have final labels; None if no feed has said how far it is complete."""
    watermark_ns = read_state(around.feedback).watermark_ns
    return None if watermark_ns is None else watermark_ns - around.maturity_ns


def model_until(around: Retraining, trainings: Sequence[Training]) -> int | None:
    """Until when the data of the last model is complete: of the champion or a training since, whatever became of that."""
    last = next((path for path in SPLITS if (around.project / path).is_file()), None)
    known = [] if last is None else [data_until(around.project / last)]
    for training in trainings:
        if training.ended is not None and training.ended.outcome == "trained":
            known += [training.ended.data_until_ns, training.began.mature_until_ns if training.began.rows is not None else None]
    return max((one for one in known if one is not None), default=None)


def data_until(split: Path) -> int | None:
    """The end of the day of the newest row, of a report of stage split; None if its rows have no times."""
    found: dict[str, Any] = json.loads(split.read_bytes())
    ends = [part["to"] for part in found.values() if isinstance(part, dict) and part.get("to")]
    return max((end_of_day(time_ns(end)) for end in ends), default=None)


def warned(around: Retraining, area: str) -> str | None:
    """What the monitor warns of in the area, about the release that is served, the gravest first."""
    active = around.store.active()
    try:
        report = report_from(json.loads((around.monitor / REPORT).read_bytes()))
        findings = [(one.verdict in BAD, one.release, one.sentence) for one in report.findings if one.area == area]
    except FileNotFoundError:
        findings = []
    alerts = [(True, one.release, one.sentence) for one in AlertLog(around.monitor).open().values() if one.area == area]
    return next((what for is_bad, release, what in (*alerts, *findings) if is_bad and release in (None, active)), None)


def under_way(around: Retraining) -> str | None:
    """Which rollout is under way, in words; None if there is none."""
    for rollout in read_rollouts(around.rollouts):
        if rollout.status != "ended":
            return f"the rollout {rollout.name} of release {rollout.challenger} is under way"
    route = around.store.readable_route()
    return None if route is None or route.trial is None else f"release {route.trial.challenger} is being tried"
