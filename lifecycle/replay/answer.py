"""One answer replayed: its batch as it was, its release's lineage, and what each column did to it."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lifecycle.journal.columns import ANSWER
from lifecycle.replay.batches import GraphBatches
from lifecycle.replay.bulk import Replays
from lifecycle.replay.compare import ERASED, RowVerdicts, shown
from lifecycle.replay.explain import ColumnPart, explain
from lifecycle.replay.find import find_answer, instant
from lifecycle.replay.lineage import lineage_of
from lifecycle.replay.others import OtherRows, others_of
from lifecycle.replay.release import NoRelease
from lifecycle.replay.report import OtherComputation, ReplayReport, RowAgain
from lifecycle.replay.rerun import Again
from lifecycle.replay.routing import routing_of

PARQUET_LACKS = "its segment is gone: rows that were handed on, and texts that were no value of their column, are not in Parquet"


def replay_answer(folder: Path, store: Path, wanted: UUID, row: int | None) -> ReplayReport:
    """Raises ValueError if the id is not in the journal, has no such row, or its release is not in the store."""
    found = find_answer(folder, store, wanted)
    batches, replays = found.batches, Replays(store, folder, may_join=False)
    again, compared = replays.compared(batches)
    released = replays.released(batches.writing.release)
    places = batches.rows_of(wanted.bytes, ANSWER)
    if row is not None and row >= len(places):
        raise ValueError(f"{wanted} has rows 0 to {len(places) - 1}, got ROW={row}")
    place = int(places[row or 0])
    answered_ns = int(batches.answered_ns_B[0])
    explained: tuple[float | None, list[ColumnPart]] = None, []
    if compared.why_not_N[place] is None:
        explained = explain(batches, place, released, folder)
    mine = found.rows.filter(pc.equal(found.rows["prediction_id"], str(wanted)))
    return ReplayReport(
        prediction_id=str(wanted),
        answered_at=instant(answered_ns),
        asked=_asked(mine, row or 0),
        source=batches.source,
        batch=_batch(batches, compared),
        ran=_ran(batches, replays),
        may_differ=compared.unlike,
        rows=_rows(batches, again, compared, places if row is None else [place]),
        routing=routing_of(mine, store),
        others=[
            _other(other, replays, row) for other in others_of(folder, store, wanted, mine["request_id"][0].as_py(), answered_ns)
        ],
        explained_row=row or 0,
        log_odds=explained[0],
        parts=explained[1],
        lineage=lineage_of(released, answered_ns),
    )


def _other(other: OtherRows, replays: Replays, row: int | None) -> OtherComputation:
    """What was computed beside the answer, and that again; its release may be gone."""
    batches, places = other.batches, other.places
    places = places if row is None else places[batches.row_N[places] == row]
    told: dict[str, Any] = {
        "is_shadow": other.is_shadow,
        "release": batches.writing.release,
        "computed_at": instant(int(batches.answered_ns_B[0])),
        "source": batches.source,
    }
    try:
        again, compared = replays.compared(batches)
    except NoRelease as error:
        return OtherComputation(**told, rows=[_not_run(batches, int(at), str(error)) for at in places], may_differ=None)
    return OtherComputation(**told, rows=_rows(batches, again, compared, places), may_differ=compared.unlike)


def _not_run(batches: GraphBatches, place: int, why: str) -> RowAgain:
    recorded = float(batches.p_click_N[place])
    return RowAgain(
        row=int(batches.row_N[place]),
        recorded=None if np.isnan(recorded) else recorded,
        replayed=None,
        is_equal=False,
        difference=None,
        is_fault=False,
        why_not=why,
    )


def _rows(batches: GraphBatches, again: Again, compared: RowVerdicts, places: Iterable[int]) -> list[RowAgain]:
    return [_row(batches, again, compared, int(place)) for place in places]


def _row(batches: GraphBatches, again: Again, compared: RowVerdicts, place: int) -> RowAgain:
    why, difference = compared.why_not_N[place], float(compared.difference_N[place])
    return RowAgain(
        row=int(batches.row_N[place]),
        recorded=None if why == ERASED else float(batches.p_click_N[place]),
        replayed=None if why else float(again.p_click_N[place]),
        is_equal=bool(compared.is_equal_N[place]),
        difference=None if why else difference,
        is_fault=bool(compared.is_fault_N[place]),
        why_not=why,
    )


def _batch(batches: GraphBatches, compared: RowVerdicts) -> dict[str, Any]:
    computed_N = compared.is_computed_N
    skipped_N = computed_N & (compared.why_not_N != None)  # noqa: E711  (of each object)
    equal_N = computed_N & compared.is_equal_N
    missing = int(compared.missing_N[0])
    handed_on = int((~computed_N).sum())
    not_known = [f"{missing} rows of its call; the last of the others stood in for them"] if missing > 0 else []
    return {
        "rows": int(batches.graph_rows_B[0]),
        "requests": len(np.unique(batches.ids_N[computed_N])) + bool(handed_on),
        "handed_on": handed_on,
        "equal": int(equal_N.sum()),
        "differing": int((computed_N & ~compared.is_equal_N & ~skipped_N).sum()),
        "not_replayed": int(skipped_N.sum()),
        "faults": int(compared.is_fault_N.sum()),
        "not_known": [*not_known, *([PARQUET_LACKS] if batches.is_parquet else [])],
    }


def _ran(batches: GraphBatches, replays: Replays) -> dict[str, Any]:
    writing, machine = batches.writing, replays.machine
    return {
        "onnxruntime": machine.onnxruntime,
        "threads": writing.threads or replays.released(writing.release).settings["ort_threads"],
        "processor": shown(machine.processor),
        "recorded": {
            "written_by": writing.written_by,
            "onnxruntime": writing.onnxruntime,
            "threads": writing.threads,
            "processor": writing.processor,
        },
    }


def _asked(mine: pa.Table, row: int) -> dict[str, Any]:
    event_at = mine["event_at"][0]
    return {
        "request id": mine["request_id"][0].as_py(),
        "key": mine["key"][row].as_py(),
        "event time": instant(event_at.value) if event_at.is_valid else None,
        "image": mine["image_sha256"][row].as_py(),
    }
