"""Segments made by hand: a few columns, batches of requests of several kinds."""

from pathlib import Path
from typing import Any

import numpy as np

from contracts.clock import Clock
from serving.triton.journal.layout import NOT_SENT
from serving.triton.journal.options import JournalOptions
from serving.triton.journal.record import Asked, Seen, Unanswered, write_answers, write_refusals
from serving.triton.journal.writer import Writer

START_NS = 1_800_000_000_000_000_000  # 2027-01-15T08:00:00Z
SCHEMA = {
    "declaration": "0" * 64,
    "categorical": [
        {"name": n, "dtype": d} for n, d in (("site", "string"), ("hour", "int"), ("mobile", "bool"), ("row", "string"))
    ],
    "numeric": [{"name": "age", "dtype": "float"}, {"name": "visits", "dtype": "int"}],
    "ids": ["site", "hour", "creative_image"],
    "outputs": ["probability"],
}
ABOUT = {"written_by": "python", "model": "ctr", "release": 3, "onnxruntime": "1.2.3", "threads": 1, "schema": SCHEMA}


class World:
    """A journal's folder, a writer with a clock of ours, and what was written."""

    def __init__(self, folder: Path, **changed: Any) -> None:
        self.folder, self.said, self.counted = folder, list[str](), dict[str, float]()
        (folder / "segments").mkdir(parents=True, exist_ok=True)
        known = {
            "segment_bytes": 1 << 20,
            "segment_s": 3600.0,
            "sync_ms": 0,
            "refuses": False,
            "folder": folder,
            "clock": Clock(),
        }
        self.now_ns = START_NS
        self.writer = Writer(JournalOptions(**known | changed), ABOUT, self.count, self.said.append, clock=lambda: self.now_ns)
        self.rng = np.random.default_rng(3)

    def count(self, family: str, number: float = 1, **labels: str) -> None:
        name = f"{family}{{{labels['what']}}}" if "what" in labels else family
        self.counted[name] = self.counted.get(name, 0) + number

    def answer(
        self, *sizes: int, key: str | None = None, image: bytes | None = None, event_ns: int = NOT_SENT
    ) -> list[str] | None:
        """Write a batch of requests of these numbers of rows; the ids of its answers."""
        rows = sum(sizes)
        strings = [
            [f"site {self.rng.integers(400)}" if row % 3 else "", str(self.rng.integers(24)), "yes", "\u00e9" * int(row == 1)]
            for row in range(rows)
        ]
        encoded = [text.encode() for row in strings for text in row]
        seen = Seen(
            text_lengths=np.array([len(text) for text in encoded]),
            text=b"".join(encoded),
            numbers_NM=np.stack([self.rng.random(rows), self.rng.integers(0, 9, rows)], axis=1).astype(np.float32),
            ids_NK=self.rng.integers(0, [400, 26, 2**33], (rows, 3)),
            p_click_N=self.rng.random(rows, dtype=np.float32),
            images=[] if image is None else [(0, image)],
            graph_rows=rows + 2,
        )
        keys = [None if key is None else [key.encode()] * size for size in sizes]
        ids = [f"r{size}" if size % 2 else "" for size in sizes]
        asked = [
            Asked(num_rows=size, request_id=own, event_ns=event_ns, keys=some)
            for size, own, some in zip(sizes, ids, keys, strict=True)
        ]
        self.now_ns += 1_000_000
        return write_answers(self.writer, 3, asked, seen)

    def refuse(self, *rules: str) -> None:
        write_refusals(self.writer, 3, [Unanswered(rule=r, request_id="bad", num_bytes=10, num_rows=2) for r in rules])

    def segments(self) -> list[Path]:
        return sorted((self.folder / "segments").glob("*.segment"))


def a_journal(folder: Path, **changed: Any) -> World:
    """Closed, with rows of every kind."""
    world = World(folder, **changed)
    world.answer(1)
    world.answer(2, 3, 1, key="k\u00fc", event_ns=START_NS)
    world.refuse("max", "overloaded")
    world.answer(4, image=b"\x07" * 32)
    world.answer(300, 1)
    world.writer.close()
    return world
