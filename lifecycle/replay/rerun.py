"""Batches run again: each with the rows it had, or, where that was seen to give the same bits, several in one call.

Shape letters: B batches, N rows, C string columns, K ids, E creative embedding.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lifecycle.replay.batches import GraphBatches
from lifecycle.replay.release import PackedRows, Released
from serving.triton.graph import Answer, OrtGraph
from serving.triton.joined_text import JoinedText

CALL_ROWS = 1024  # of joined batches in one call
TRIED = 48  # batches that are run both ways before others are joined
UNKNOWN_ID = 0


@dataclass(frozen=True, kw_only=True)
class Again:
    """What the graph says of the rows now."""

    p_click_N: np.ndarray  # float32
    seen_NK: np.ndarray  # int64
    lacks_image_N: np.ndarray  # bool: the model looked at an image that is not kept


class Rerun:
    """Runs batches of a release again. `journal` is the folder whose images are looked at."""

    def __init__(self, released: Released, journal: Path, may_join: bool = True) -> None:
        self._released, self._journal, self._may_join = released, journal, may_join
        self.joins: dict[int | None, bool] = {}  # does joining give the same bits, by threads of a call, once it was tried

    def run(self, batches: GraphBatches) -> Again:
        """All batches. Raises NoRelease if the release is not the one that answered."""
        released = self._released
        released.check(batches)
        packed, graph = released.pack(batches), released.graph(batches.writing.threads)
        odd = self._odd(batches)
        even = [batch for batch in range(len(batches)) if batch not in odd]
        p_click_N = np.full(len(batches.p_click_N), np.nan, dtype=np.float32)
        seen_NK, lacks_image_N = np.zeros_like(batches.seen_NK), np.zeros(len(p_click_N), dtype=bool)

        def keep(rows: slice, found: Answer) -> None:
            num_rows = rows.stop - rows.start
            p_click_N[rows], seen_NK[rows] = found.p_click_N[:num_rows], _seen(found)[:num_rows]

        alone = even if not self._joined(batches, packed, graph, even) else []
        if not alone:
            for rows in _calls(batches, even):
                keep(rows, graph.answer(packed.text(rows), packed.numbers_NM[rows]))
            alone = sorted(_unlike(batches, p_click_N, seen_NK) - odd)
        for batch in sorted([*alone, *odd]):  # as each was
            rows = batches.place(batch)
            looks_NE, lacks_image_N[rows] = self._looks(batches, rows, int(batches.graph_rows_B[batch]))
            keep(rows, self._as_it_was(batches, packed, graph, batch, looks_NE))
        return Again(p_click_N=p_click_N, seen_NK=seen_NK, lacks_image_N=lacks_image_N)

    def _odd(self, batches: GraphBatches) -> set[int]:
        """Batches that are more than text and numbers: with an image, or a string that has the separator in it."""
        found = {int(np.searchsorted(batches.ends_B, row, side="right")) for row in batches.images}
        mark = self._released.separator.encode()
        if mark in batches.text:
            ends = np.cumsum(batches.lengths_NC.sum(axis=1))
            places = np.flatnonzero(np.frombuffer(batches.text, dtype=np.uint8) == mark[0])
            rows = np.searchsorted(ends, places, side="right")
            found |= {*np.searchsorted(batches.ends_B, rows, side="right").tolist()}
        return found

    def _joined(self, batches: GraphBatches, packed: PackedRows, graph: OrtGraph, even: list[int]) -> bool:
        """May batches be run in one call: some were, and each alone, and all bits are the same."""
        threads = batches.writing.threads
        if not self._may_join:
            return False
        if threads not in self.joins:
            some = even[:: max(1, len(even) // TRIED)][:TRIED]
            if len(some) < 2:
                return False
            alone = [graph.answer(packed.text(rows), packed.numbers_NM[rows]) for rows in map(batches.place, some)]
            joined = graph.answer(
                b"".join(packed.text(batches.place(batch)) for batch in some),
                np.concatenate([packed.numbers_NM[batches.place(batch)] for batch in some]),
            )
            apart = np.concatenate([found.p_click_N for found in alone])
            self.joins[threads] = bool((apart.view(np.uint32) == joined.p_click_N.view(np.uint32)).all())
        return self.joins[threads]

    def _as_it_was(
        self, batches: GraphBatches, packed: PackedRows, graph: OrtGraph, batch: int, looks_NE: np.ndarray | None
    ) -> Answer:
        """A batch in a call of its own. For rows of the call that are not known its last row stands in."""
        rows = batches.place(batch)
        missing = int(batches.graph_rows_B[batch]) - (rows.stop - rows.start)
        strings, numbers_NM = Strings(batches, packed, rows, self._released), packed.numbers_NM[rows]
        if missing > 0:
            strings.repeat_last(missing)
            numbers_NM = np.concatenate([numbers_NM, np.repeat(numbers_NM[-1:], missing, axis=0)])
        found = graph.answer(strings.encoded, numbers_NM, looks_NE)
        if (
            batches.writing.written_by != "native"
            and strings.text is not None
            and self._released.string_rules.respell(strings, found)
        ):
            found = graph.answer(strings.encoded, numbers_NM, looks_NE)
        return found

    def _looks(self, batches: GraphBatches, rows: slice, graph_rows: int) -> tuple[np.ndarray | None, np.ndarray]:
        """Embeddings float32 [N, E] of a batch's images, None without any; and which rows lack one that the model looked at."""
        images = {row - rows.start: batches.images[row] for row in range(rows.start, rows.stop) if row in batches.images}
        lacks_N = np.zeros(rows.stop - rows.start, dtype=bool)
        none_1E = self._released.no_image_1E
        if not images or none_1E is None:
            return None, lacks_N
        looks_NE = np.repeat(none_1E, max(graph_rows, len(lacks_N)), axis=0)
        for row, digest in images.items():
            look = self._released.look(self._journal, digest)
            if look is not None:
                looks_NE[row] = look
            else:  # the creative's own vector overrides it, if the model knows it
                lacks_N[row] = batches.seen_NK[rows.start + row, -1] == UNKNOWN_ID
        return looks_NE, lacks_N


class Strings:
    """The strings of one batch, as `serving.triton.column_rules` takes and changes them."""

    def __init__(self, batches: GraphBatches, packed: PackedRows, rows: slice, released: Released) -> None:
        self._joiner, separator = released.joiner, released.separator
        self.text: JoinedText | None = None
        if batches.lengths_NC.shape[1]:
            starts_NC = packed.starts_NC[rows] - (packed.text_ends_N[rows.start - 1] if rows.start else 0)
            lengths_NC = batches.lengths_NC[rows]
            self.text = JoinedText(encoded=packed.text(rows), starts_NC=starts_NC, lengths_NC=lengths_NC)
            if self.text.encoded.count(separator.encode()) != 2 * lengths_NC.size:
                self.text = self._joiner.spelled(self.text.strings())  # a string holds a separator

    @property
    def encoded(self) -> bytes:
        return b"" if self.text is None else self.text.encoded

    def repeat_last(self, times: int) -> None:
        if self.text is not None:
            strings = self.text.strings()
            self.text = self._joiner.spelled(strings + strings[-1:] * times)

    def replace(self, strings: dict[tuple[int, int], str]) -> None:
        """As `JoinedRows.replace`."""
        assert self.text is not None
        rows = self.text.strings()
        for (row, column), value in strings.items():
            rows[row][column] = value
        self.text = self._joiner.spelled(rows)

    def place(self, row: int) -> tuple[int, int]:
        return 0, row

    def refuse(self, request: int, refusal: Exception) -> None:
        """Whatever was refused is not in the journal."""


def _seen(found: Answer) -> np.ndarray:
    return found.cat_idx_NF if found.creative_idx_N is None else np.column_stack([found.cat_idx_NF, found.creative_idx_N])


def _unlike(batches: GraphBatches, p_click_N: np.ndarray, seen_NK: np.ndarray) -> set[int]:
    """Batches of which anything is not as it was recorded."""
    recorded_N = np.ascontiguousarray(batches.p_click_N)
    unlike_N = (p_click_N.view(np.uint32) != recorded_N.view(np.uint32)) | (seen_NK != batches.seen_NK).any(axis=1)
    return {*np.searchsorted(batches.ends_B, np.flatnonzero(unlike_N), side="right").tolist()}


def _calls(batches: GraphBatches, even: list[int]) -> list[slice]:
    """Rows of neighbouring batches, about CALL_ROWS in each."""
    found: list[slice] = []
    places = np.array(even, dtype=np.int64)
    for run in np.split(places, np.flatnonzero(np.diff(places) != 1) + 1) if even else ():
        first, last = int(run[0]), int(run[-1])
        while first <= last:
            start = batches.place(first).start
            end = int(np.searchsorted(batches.ends_B, start + CALL_ROWS, side="right")) - 1
            end = min(max(end, first), last)
            found.append(slice(start, int(batches.ends_B[end])))
            first = end + 1
    return found
