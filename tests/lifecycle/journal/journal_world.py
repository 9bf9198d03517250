"""Segments made by hand: a few columns, batches of requests of several kinds."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np

from contracts.clock import Clock
from serving.triton.journal.layout import CHALLENGER, CHAMPION, FALLBACK, KEY_SENT, NO_ROUTE, NOT_SENT, SHADOW
from serving.triton.journal.options import JournalOptions
from serving.triton.journal.record import (
    Asked,
    LookedAt,
    Routed,
    Seen,
    Unanswered,
    write_answers,
    write_event,
    write_refusals,
)
from serving.triton.journal.writer import Writer

ROUTE = 0xFEDC_BA98_7654_3210
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

    def __init__(self, folder: Path, about: dict[str, Any] | None = None, **changed: Any) -> None:
        self.folder, self.said, self.counted = folder, list[str](), dict[str, float]()
        (folder / "segments").mkdir(parents=True, exist_ok=True)
        known = {
            "segment_bytes": 1 << 20,
            "segment_s": 3600.0,
            "sync_ms": 0,
            "refuses": False,
            "folder": folder,
            "clock": Clock(),
            "images": "none",
        }
        self.now_ns = START_NS
        told = ABOUT | (about or {})
        self.writer = Writer(JournalOptions(**known | changed), told, self.count, self.said.append, clock=lambda: self.now_ns)
        self.rng, self.events = np.random.default_rng(3), list[dict[str, Any]]()

    def count(self, family: str, number: float = 1, **labels: str) -> None:
        name = f"{family}{{{labels['what']}}}" if "what" in labels else family
        self.counted[name] = self.counted.get(name, 0) + number

    def answer(
        self, *sizes: int, key: str | None = None, images: dict[int, bytes] | None = None, event_ns: int = NOT_SENT,
        looked_at: tuple[int, ...] = (), sites: Sequence[str] | None = None, route: int = NO_ROUTE,
        routed: Sequence[Routed] | None = None,
    ) -> list[str] | None:  # fmt: skip
        """Write a batch of requests of these numbers of rows, with `sites` if they are given; the ids of its answers. `images`:
        row and digest. `routed`: what the route made of each.
        """
        rows = sum(sizes)
        strings = [
            [f"site {self.rng.integers(400)}" if row % 3 else "", str(self.rng.integers(24)), "yes", "\u00e9" * int(row == 1)]
            for row in range(rows)
        ]
        for row, site in zip(strings, sites or [], strict=False):
            row[0] = site
        encoded = [text.encode() for row in strings for text in row]
        seen = Seen(
            text_lengths=np.array([len(text) for text in encoded]),
            text=b"".join(encoded),
            numbers_NM=np.stack([self.rng.random(rows), self.rng.integers(0, 9, rows)], axis=1).astype(np.float32),
            ids_NK=self.rng.integers(0, [400, 26, 2**33], (rows, 3)),
            p_click_N=self.rng.random(rows, dtype=np.float32),
            images=[*(images or {}).items()],
            looked_at=[a_look(row, self.rng) for row in looked_at],
            graph_rows=rows + 2,
        )
        keys = [None if key is None else [key.encode()] * size for size in sizes]
        ids = [f"r{size}" if size % 2 else "" for size in sizes]
        asked = [
            Asked(num_rows=size, request_id=own, event_ns=event_ns, keys=some)
            for size, own, some in zip(sizes, ids, keys, strict=True)
        ]
        self.now_ns += 1_000_000
        return write_answers(self.writer, 3, asked, seen, route, routed)

    def refuse(self, *rules: str) -> None:
        write_refusals(self.writer, 3, [Unanswered(rule=r, request_id="bad", num_bytes=10, num_rows=2) for r in rules])

    def happened(self, event: str, **evidence: Any) -> None:
        self.events.append({"at_ns": self.now_ns, "event": event, "route": f"{ROUTE:016x}", **evidence})
        write_event(self.writer, self.events[-1])

    def shadow(self, shadowed: str, rows: int, arm: int, **said: Any) -> list[str] | None:
        """What the other arm computed of an answer."""
        routed = [Routed(arm=arm, status=SHADOW, bucket=7, shadowed=UUID(shadowed).bytes)]
        return self.answer(rows, route=ROUTE, routed=routed, **said)

    def segments(self) -> list[Path]:
        return sorted((self.folder / "segments").glob("*.segment"))


def a_look(row: int, rng: np.random.Generator) -> LookedAt:
    figures = [10 + row, 20, rng.random(), rng.random() / 2, 100 * rng.random(), 1 + row % 3]  # the third format is not known
    return LookedAt(row=row, num_bytes=70_000 + row, look=np.array(figures), emb_E=rng.random(5, dtype=np.float32))


def a_journal(folder: Path, **changed: Any) -> World:
    """Closed, with rows of every kind."""
    world = World(folder, **changed)
    world.answer(1)
    world.answer(2, 3, 1, key="k\u00fc", event_ns=START_NS)
    world.refuse("max", "overloaded")
    world.answer(4, images={row: bytes([row]) * 32 for row in range(4)}, looked_at=(1, 2, 3))
    world.answer(300, 1)
    world.writer.close()
    return world


def a_routed_journal(folder: Path, **changed: Any) -> World:
    """Closed: answers of both arms and of none, a fallback, shadows, events; records without a route before and behind."""
    world = World(folder, **changed)
    world.answer(2)
    world.happened("opened")
    assigned = [
        Routed(arm=CHAMPION, bucket=999_999, flags=KEY_SENT, key="k\u00fc".encode()),
        Routed(arm=CHALLENGER, bucket=0),
        Routed(),
    ]
    first, second, _ = world.answer(2, 3, 1, route=ROUTE, routed=assigned, key="own", event_ns=START_NS) or []
    world.answer(4, route=ROUTE, routed=[Routed(arm=CHALLENGER, bucket=128, status=FALLBACK)])
    assert world.shadow(second, 3, CHALLENGER) == [second]
    world.shadow(first, 1, CHAMPION, images={0: b"s" * 32})
    world.happened("fuse", reason="non_finite", evidence={"rows": 3})
    world.answer(1)
    world.writer.close()
    return world
