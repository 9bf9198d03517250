"""A journal of a released model, written without a server: each batch was answered by its graph, in a call of its own."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np
import onnxruntime
import polars as pl
from pyarrow import parquet as pq

from contracts.clock import Clock
from contracts.serving.packed_text import codes_of, text_of
from contracts.serving.request import RequestSpec
from lifecycle.journal.segments import Segment
from lifecycle.journal.served import only_one, serve_segment, waiting
from lifecycle.replay.bulk import Replays, Totals, replay_all
from lifecycle.replay.sample import SampleWanted, sampled
from serving.releases.store import Store
from serving.triton.journal.layout import ANSWERS, CHECKED, FRAME_HEAD, NO_ROUTE, NOT_SENT
from serving.triton.journal.options import JournalOptions
from serving.triton.journal.processor import processor
from serving.triton.journal.record import Asked, Routed, Seen, write_answers
from serving.triton.journal.writer import Writer
from serving.triton.package import listed_digest, read_json
from tests.serving.doors import packed

START_NS = 1_800_000_000_000_000_000  # 2027-01-15T08:00:00Z


class Answering:
    """A store with a release, or one more, and a writer that answers with its graph."""

    def __init__(self, folder: Path, repository: Path, spec: RequestSpec, **options: Any) -> None:
        self.folder, self.store, self._spec = folder / "journal", folder / "models", spec
        (self.folder / "segments").mkdir(parents=True, exist_ok=True)
        self.release = Store(self.store).release(repository)
        self.version = self.store / "ctr" / str(self.release)
        self.settings = read_json(self.store / "ctr_careful" / str(self.release) / "request.json")
        self.now_ns = START_NS
        self._options = {"segment_bytes": 1 << 20, "segment_s": 3600.0, "sync_ms": 0, "refuses": False} | options
        self.open()

    def open(self) -> None:
        """The graph as it is now, and a writer."""
        self.session = onnxruntime.InferenceSession(self.version / "ctr_packed.onnx", providers=["CPUExecutionProvider"])
        self.separator = self.session.get_modelmeta().custom_metadata_map["separator"]
        self.begin()

    def begin(self, **about: Any) -> None:
        """Another writer, whose segments say `about` what this machine would not."""
        known = {"written_by": "native", "model": "ctr", "release": self.release, "onnxruntime": onnxruntime.__version__}
        known |= {"threads": 1, "graph": listed_digest(self.version, "ctr_packed.onnx"), "processor": processor()}
        known |= {"schema": self.settings["journal"]} | about
        told = {name: value for name, value in known.items() if value is not None}
        options = JournalOptions(folder=self.folder, clock=Clock(), images="none", **self._options)
        self.writer = Writer(options, told, lambda *_, **__: None, print, clock=lambda: self.now_ns)

    def graph(self, strings: Iterable[Iterable[str]], numbers_NM: np.ndarray) -> list[np.ndarray]:
        """p_click, cat_idx, creative_idx of rows as they are."""
        text = np.array([text_of(strings, self.separator, codes_of(self.settings["categorical"]))], dtype=object)
        return self.session.run(["p_click", "cat_idx", "creative_idx"], {"text": text, "numeric": numbers_NM})

    def answer(
        self, rows: pl.DataFrame, *sizes: int, key: str | None = None, unknown_rows: int = 0, route: int = NO_ROUTE,
        routed: Sequence[Routed] | None = None,
    ) -> list[str]:  # fmt: skip
        """Answer requests of these sizes in one batch; the id of each. `unknown_rows` of the call are not written. `routed`: what
        the route made of each.
        """
        tensors = packed(rows[: sum(sizes)], self._spec)
        strings = [[value.decode() for value in row] for row in tensors["categorical"]]
        numbers_NM = tensors["numeric"].astype(np.float32)
        p_click_N, cat_idx_NF, creative_idx_N = self.graph(strings, numbers_NM)
        seen = Seen(
            text_lengths=np.array([len(value) for value in tensors["categorical"].ravel()]),
            text=b"".join(tensors["categorical"].ravel()),
            numbers_NM=numbers_NM,
            ids_NK=np.column_stack([cat_idx_NF, creative_idx_N]),
            p_click_N=p_click_N,
            images=[],
            looked_at=[],
            graph_rows=sum(sizes) + unknown_rows,
        )
        keys = [None if key is None else [key.encode()] * size for size in sizes]
        asked = [Asked(num_rows=size, request_id="r", event_ns=NOT_SENT, keys=k) for size, k in zip(sizes, keys, strict=True)]
        self.now_ns += 1_000_000
        return write_answers(self.writer, self.release, asked, seen, route, routed)

    def segments(self) -> list[Path]:
        return sorted((self.folder / "segments").glob("*.segment"))

    def to_parquet(self, remove: bool = True) -> None:
        """End the segments, make them Parquet, and remove them as retention does."""
        self.writer.close()
        made_parquet(self.folder, remove)

    def replay(self, share: float = 1, **other: Any) -> Totals:
        return replayed(self.folder, self.store, share, **other)


def made_parquet(folder: Path, remove: bool = True) -> None:
    with only_one(folder):
        for path in waiting(folder):
            serve_segment(folder, path)
            if remove:
                path.unlink()


def replayed(folder: Path, store: Path, share: float = 1, may_join: bool = True, **other: Any) -> Totals:
    return replay_all(sampled(folder, store, SampleWanted(share=share, day=other.get("day"))), Replays(store, folder, may_join))


def change_record(path: Path, change: Callable[[bytearray], None], number: int = 0) -> None:
    """Change the payload of a segment's record with the checksum that it then should have."""
    segment = Segment(path)
    frame = [frame for frame in segment.frames() if frame.kind == ANSWERS][number]
    segment.close()
    content = bytearray(path.read_bytes())
    payload = content[frame.start : frame.end]
    change(payload)
    head = frame.start - FRAME_HEAD.size
    magic, size, kind, _ = FRAME_HEAD.unpack_from(content, head)
    assert len(payload) == size
    checksum = crc32(payload, crc32(content[head + CHECKED.start : head + CHECKED.stop]))
    content[head : frame.end] = FRAME_HEAD.pack(magic, size, kind, checksum) + payload
    path.write_bytes(content)


def flip_last_output(payload: bytearray, bit: int = 0) -> None:
    """The outputs stand last where no row has an image."""
    payload[-4] ^= 1 << bit


def rows_of_parquet(folder: Path) -> int:
    return sum(pq.ParquetFile(path).metadata.num_rows for path in (folder / "served").rglob("*.parquet"))
