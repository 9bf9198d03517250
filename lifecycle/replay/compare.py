"""Recorded and replayed, row by row: equal to the last bit, different, or not to be replayed, and why.

Shape letters: N rows.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from contracts.local_libraries import onnx_runtime
from lifecycle.replay.batches import GraphBatches, Writing
from lifecycle.replay.release import Released
from lifecycle.replay.rerun import Again
from serving.triton.journal.processor import processor

TOLERANCE = 1e-6  # of a probability, where other kernels may have computed it
ERASED = "the row was erased"
NO_IMAGE = "the image that came with it is not kept"
OTHER_TEXT = "its texts as they came are not known: Parquet's values give the graph other ids"


@dataclass(frozen=True, kw_only=True)
class Machine:
    """What the graph is run by."""

    onnxruntime: str
    processor: dict[str, str]

    @classmethod
    def here(cls) -> "Machine":
        return cls(onnxruntime=str(onnx_runtime().__version__), processor=processor())

    def unlike(self, writing: Writing) -> str | None:
        """Why bits need not be those that a segment's writer got; None if they have to be."""
        if writing.onnxruntime is None or writing.processor is None:
            return "which ONNX Runtime and kind of processor answered was not recorded"
        if writing.onnxruntime != self.onnxruntime:
            return f"ONNX Runtime {writing.onnxruntime} answered, {self.onnxruntime} replays"
        if writing.processor != self.processor:
            return f"another kind of processor answered ({shown(writing.processor)}) than replays ({shown(self.processor)})"
        return None


@dataclass(frozen=True, kw_only=True)
class RowVerdicts:
    """Of all rows; those that were handed on are not among `is_computed_N`."""

    is_computed_N: np.ndarray
    is_equal_N: np.ndarray  # to the last bit
    difference_N: np.ndarray  # float64, of the probabilities; NaN where it was not replayed
    is_fault_N: np.ndarray  # a difference that this machine must not have
    missing_N: np.ndarray  # rows of its batch that are not known
    why_not_N: np.ndarray  # objects: why a row could not be replayed, or None
    unlike: str | None  # why bits may differ, of all


def compare(batches: GraphBatches, again: Again, released: Released, machine: Machine) -> RowVerdicts:
    recorded_N = np.ascontiguousarray(batches.p_click_N, dtype=np.float32)
    rows_B = np.diff(batches.ends_B, prepend=0)
    missing_N = np.repeat(batches.graph_rows_B - rows_B, rows_B)
    other_ids_N = (again.seen_NK != batches.seen_NK).any(axis=1)
    why_not_N = np.full(len(recorded_N), None, dtype=object)
    if batches.is_parquet:
        why_not_N[other_ids_N] = OTHER_TEXT
    why_not_N[again.lacks_image_N] = NO_IMAGE
    if changed := sorted(set(batches.writing.columns) & released.used):
        why_not_N[:] = unwritten(changed)
    why_not_N[np.isnan(recorded_N)] = ERASED
    done_N = why_not_N == None  # noqa: E711  (of each object)
    is_equal_N = done_N & (recorded_N.view(np.uint32) == again.p_click_N.view(np.uint32)) & ~other_ids_N
    difference_N = np.abs(again.p_click_N.astype(np.float64) - recorded_N)
    difference_N[~done_N] = np.nan
    unlike = machine.unlike(batches.writing)
    must_N = missing_N <= 0 if unlike is None else np.zeros(len(done_N), dtype=bool)
    is_fault_N = done_N & ~is_equal_N & (must_N | other_ids_N | ~(difference_N <= TOLERANCE))
    return RowVerdicts(
        is_computed_N=batches.is_computed_N,
        is_equal_N=is_equal_N,
        difference_N=difference_N,
        is_fault_N=is_fault_N & batches.is_computed_N,
        missing_N=missing_N,
        why_not_N=why_not_N,
        unlike=unlike,
    )


def unwritten(columns: list[str]) -> str:
    return f"{', '.join(columns)} {'was' if len(columns) == 1 else 'were'} not written as sent (serving.journal.columns)"


def shown(kind: dict[str, Any]) -> str:
    return f"{kind.get('name') or 'without a name'}: {kind.get('kernels') or 'none of the known instructions'}"
