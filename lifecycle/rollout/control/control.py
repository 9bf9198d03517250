"""What the controller works with: its folder, the store, the settings, where evidence comes from; and its two locks."""

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from contracts.lifecycle.rollout import RolloutConfig
from contracts.serving.config import RoutingConfig, ServerConfig
from lifecycle import locking
from lifecycle.locking import MODE
from lifecycle.rollout.judgement import Judgement
from lifecycle.rollout.rollout import Rollout
from serving.releases.store import Store

Say = Callable[[str], None]
CONTROLLER_LOCK, CHANGE_LOCK = ".controller.lock", ".change.lock"
WAIT_S, POLL_S = 120.0, 0.05  # of the machine; a promotion lets DVC track the champion's files


@dataclass(frozen=True, kw_only=True)
class Wait:
    """Why a verdict is not acted upon, though time goes on."""

    kind: str  # traffic | labels | lacking
    sentence: str


@dataclass(frozen=True, kw_only=True)
class LookEvidence:
    """What a look finds."""

    judgements: tuple[Judgement, ...] = ()  # all that are worth keeping since the rollout began, the oldest first
    labelled: int = 0  # final labelled rows of the step under way
    waits: tuple[Wait, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Control:
    root: Path  # folder of the rollouts
    store: Store
    config: RolloutConfig
    routing: RoutingConfig
    server: ServerConfig
    observe: Callable[["Control", Rollout], LookEvidence]
    trainings: Path = Path("retraining")  # a project folder each: a release may come from one of them
    alerts: Path | None = None  # the monitor's folder; None: nobody is alerted
    say: Say = print

    def folder(self, rollout: Rollout) -> Path:
        return rollout.folder(self.root)


def only_controller(root: Path) -> AbstractContextManager[None]:
    """Until the end, or until we die. Raises ValueError if another process controls rollouts of this folder."""
    root.mkdir(parents=True, exist_ok=True)
    return locking.alone(root / CONTROLLER_LOCK, f"another controller looks after {root}/; stop it, or let it go on")


@contextmanager
def changing(root: Path, wait_s: float = WAIT_S) -> Iterator[None]:
    """Decide and act alone, among controller and users. Raises ValueError if another one does so for too long."""
    root.mkdir(parents=True, exist_ok=True)
    lock = os.open(root / CHANGE_LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, MODE)
    try:
        deadline = time.monotonic() + wait_s
        while not _taken(lock):
            if time.monotonic() > deadline:
                raise ValueError(f"another process has been changing {root}/ for {wait_s:.0f} s; try again when it has ended")
            time.sleep(POLL_S)
        yield
    finally:
        os.close(lock)


def _taken(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
