"""A training beside the server that can be stopped and let go on, so that both sides of a pair are measured within seconds."""

import os
import shutil
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from bench.retraining.settings import BenchRetrainingConfig
from contracts.lifecycle.retraining import LifecycleConfig
from contracts.params import read_section
from lifecycle.retrain.launch import is_running, launch, process_of
from lifecycle.retrain.training.order import LOG, Order, own
from lifecycle.sessions import core_seconds, end_session, members

FITTING = "Running stage 'train'"
POLL_S = 0.2


@dataclass
class PausedTraining:
    """One after the other, each with other initial weights, so that none is found in DVC's cache."""

    config: BenchRetrainingConfig
    root: Path
    seed: int = field(default_factory=lambda: time.time_ns() % 2**31)

    @property
    def folder(self) -> Path:
        return self.root / str(self.seed)

    @contextmanager
    def going(self) -> Iterator[None]:
        """It fits its network meanwhile, and is stopped afterwards. Raises ValueError if it does not come to that."""
        self._fit()
        session = process_of(self.folder)
        assert session is not None
        _signal(session, signal.SIGCONT)
        try:
            yield
        finally:
            _signal(session, signal.SIGSTOP)

    def core_s(self) -> float:
        """Processor time that it has taken."""
        session = process_of(self.folder)
        return 0.0 if session is None else core_seconds(session)

    def end(self) -> None:
        session = process_of(self.folder)
        if session is not None:
            _signal(session, signal.SIGCONT)
            end_session(session, grace_s=1.0)
        shutil.rmtree(self.root, ignore_errors=True)

    def _fit(self) -> None:
        """See one in the midst of it: the one that is there, or another."""
        if is_running(self.folder):
            return
        self.seed += 1
        retraining = read_section("lifecycle", LifecycleConfig).retraining
        order = Order(overrides=(*self.config.overrides, f"train.seed={self.seed}"), longest_s=3600.0, nice=retraining.nice)
        launch(Path.cwd(), self.folder, order, None)
        log, deadline = own(self.folder, LOG), time.monotonic() + self.config.start_s
        while not (log.is_file() and FITTING in log.read_text()):
            if time.monotonic() > deadline or (log.is_file() and not is_running(self.folder)):
                raise ValueError(f"the training does not come to fit its network; {log} says why")
            time.sleep(POLL_S)


def _signal(session: int, number: int) -> None:
    for pid in members(session):
        with suppress(ProcessLookupError):
            os.kill(pid, number)
