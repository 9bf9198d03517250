"""Months to play in a folder of the test's own, a clock that goes when somebody waits, and a model that keeps a real journal."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from threading import Lock
from typing import Any
from zlib import crc32

import numpy as np
import polars as pl
import yaml
from pydantic import TypeAdapter

from contracts.clock import Clock
from contracts.dataset.declaration import Declaration
from contracts.lifecycle.live import WORLD, LiveConfig
from lifecycle.live import ask, play
from lifecycle.live.after import DayCommands
from lifecycle.live.ask import sender
from lifecycle.live.months import fault_since_ms
from lifecycle.live.play import Play
from lifecycle.live.settings import load_live_config
from serving.client import Prediction, RefusedRequest
from serving.triton.journal.options import JournalOptions
from serving.triton.journal.record import Asked, Seen, write_answers
from serving.triton.journal.writer import Writer
from stages.pages.faults import WorldFault
from stages.pages.write import write_pages
from tests.lifecycle.journal.journal_world import ABOUT, SCHEMA
from tests.stages.pipeline_world import CONF, composed
from tests.stages.test_simulate_month import small_exchange

MONTH, K, PAGES = "2026-08", 3, 400
SMALL = (f"candidates={K}", f"pages_per_month={PAGES}", "labels.days_after=1", "after_day=[]")


def live_config(folder: Path, *overrides: str, fault: str | None = None) -> LiveConfig:
    """The real settings, shrunk."""
    (folder / "params.yaml").write_text(yaml.safe_dump(composed()))
    return load_live_config(fault, (*SMALL, f"folder={folder / 'live'}", *overrides), folder / "params.yaml", CONF / "live")


def a_play(folder: Path, *overrides: str, fault: str | None = None) -> Play:
    """Ready to be played, on a small exchange."""
    config = live_config(folder, *overrides, fault=fault)
    world_fault = None
    if config.fault is not None and config.fault.kind in WORLD:
        since_s = fault_since_ms(config.fault, (MONTH,)) // 1000
        size = config.fault.size or 0.0
        world_fault = WorldFault(kind=config.fault.kind, since_s=since_s, share=config.fault.share, size=size)
    live = Path(config.folder)
    write_pages(small_exchange(), MONTH, config.pages_per_month, config.candidates, world_fault, live / "pages")
    declaration = TypeAdapter(Declaration).validate_python(composed()["data"])
    return Play(
        config=config,
        months=(MONTH,),
        seed=2026,
        declaration=declaration,
        folder=live,
        journal=live / "journal",
        say=lambda text: None,
    )


@dataclass
class Moment:
    """A clock that is moved by whoever waits for it."""

    ms: int = 0
    rate: int = 1

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.ms / 1000, UTC)

    def now_ns(self) -> int:
        return self.ms * 1_000_000

    def wait_until(self, at_ms: int) -> None:
        self.ms = max(self.ms, at_ms)


def moved_clock(monkeypatch: Any) -> Moment:
    moment = Moment()
    for module in (ask, play):
        monkeypatch.setattr(module, "wait_until", moment.wait_until)
        monkeypatch.setattr(module, "clock", lambda: moment)
    return moment


@dataclass
class JournallingModel:
    """Stands for CtrClient and its server: probabilities that follow from the key, in a journal in the real format."""

    folder: Path  # of the journal
    refuses: Callable[[dict[str, Any]], bool] = lambda row: False  # rows
    dies_at: int | None = None  # the request at which it raises Killed, after the answer is in the journal
    asked: list[pl.DataFrame] = field(default_factory=list)
    said: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        (self.folder / "segments").mkdir(parents=True, exist_ok=True)
        options = JournalOptions(
            segment_bytes=1 << 20, segment_s=3600.0, sync_ms=0, refuses=False, folder=self.folder, clock=Clock(), images="none"
        )
        about = ABOUT | {"schema": SCHEMA | {"categorical": [], "numeric": [], "ids": []}}
        self.lock = Lock()
        self.now_ns = 0  # when it answers: a second after the event, whatever the threads that ask are at
        self.writer = Writer(options, about, lambda *_, **__: None, lambda _: None, clock=lambda: self.now_ns)

    def predict(self, frame: pl.DataFrame, images: Any = None, *, check: bool = True, **noted: Any) -> Prediction:
        with self.lock:
            self.asked.append(frame)
            self.said.append(noted | {"images": sorted(set(frame["creative_id"]) & set(images or ()))})
            if any(self.refuses(row) for row in frame.iter_rows(named=True)):
                raise RefusedRequest("column 'floor_price', row 0: breaks a rule")
            p_N = np.array([p_of(key) for key in noted["keys"]], dtype=np.float32)
            event_ns = int(noted["event_time"].timestamp() * 1000) * 1_000_000
            self.now_ns = event_ns + 10**9
            told = Asked(
                num_rows=len(frame),
                request_id="",
                event_ns=event_ns,
                keys=[key.encode() for key in noted["keys"]],
            )
            ids = write_answers(self.writer, 3, [told], a_seen(p_N))
            if len(self.asked) == self.dies_at:
                raise Killed
        return Prediction(
            probability=p_N,
            model_version=np.full(len(frame), 3),
            prediction_id=np.array([ids[0]] * len(frame), dtype=object),
            request_row=np.arange(len(frame), dtype=np.int32),
        )


class Killed(BaseException):
    """As SIGKILL: nothing of the program runs after it but what closes its files."""


def a_seen(p_N: np.ndarray) -> Seen:
    size = len(p_N)
    return Seen(
        text_lengths=np.zeros(0, dtype=np.int64),
        text=b"",
        numbers_NM=np.zeros((size, 0), dtype=np.float32),
        ids_NK=np.zeros((size, 0), dtype=np.int64),
        p_click_N=p_N,
        images=[],
        looked_at=[],
        graph_rows=size,
    )


def p_of(key: str) -> float:
    return crc32(key.encode()) / 2**32


def played(one: Play, model: JournallingModel, in_flight: int = 1) -> None:
    with sender(model, in_flight, "user_id") as asking, DayCommands(one.config.after_day, one.folder / "after", {}) as after:
        one.play(asking, after)
