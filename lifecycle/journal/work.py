"""What `python -m lifecycle.journal` does, once or until it is stopped: Parquet of closed segments, and room."""

import sys
import threading
from pathlib import Path

from contracts.clock import clock
from contracts.serving.config import JournalConfig
from lifecycle.journal.answers import Unreadable
from lifecycle.journal.images import remove_images
from lifecycle.journal.metrics import JournalMetrics
from lifecycle.journal.retention import expire
from lifecycle.journal.segments import NotASegment
from lifecycle.journal.served import SERVED, SHADOWED, damages_of, serve_segment, waiting
from serving.journal.bound import GIB, TIDIED
from serving.journal.pace import Pace

LOOK_S = 1.0  # between two looks for closed segments
EXPIRE_S = 30.0  # between two looks for what is too old


class Work:
    """On one journal, whose lock is ours."""

    def __init__(self, folder: Path, config: JournalConfig, stopped: threading.Event) -> None:
        self.metrics = JournalMetrics()
        self._folder, self._config, self._stopped, self._clock = folder, config, stopped, clock()
        self._told: set[str] = set()  # segments that cannot be read at all
        self._is_short = False

    def once(self) -> int:
        """The exit code: 1 if there is something that cannot be read."""
        faulty = self.convert(waiting(self._folder))
        self.expire()
        return 1 if faulty else 0

    def follow(self) -> int:
        """Until it is stopped. Each fault is told once."""
        look, tidy, tell = Pace(LOOK_S), Pace(EXPIRE_S), Pace(LOOK_S)
        while not self._stopped.wait(look.left_s):
            with look:
                closed = waiting(self._folder)
            self.convert(closed, is_quiet=True)
            if not tidy.left_s:
                with tidy:
                    self.expire()
            if not tell.left_s:
                with tell:
                    self.metrics.looked(self._folder, self._config.max_gib, self._clock.now())
        return 0

    def convert(self, closed: list[Path], is_quiet: bool = False) -> int:
        """Convert these segments; how many of them hold what cannot be read, beside frames that a writer could not end."""
        segments = rows = shadow_rows = faulty = 0
        for path in closed:
            if self._stopped.is_set():
                break
            try:
                done = serve_segment(self._folder, path)
            except (NotASegment, Unreadable) as error:
                faulty += 1
                self._tell(path.name, error)
                continue
            segments, rows, shadow_rows = segments + 1, rows + done.rows, shadow_rows + done.shadow_rows
            self.metrics.rows.inc(done.rows)
            self.metrics.shadow_rows.inc(done.shadow_rows)
            for damage in damages_of(done):
                faulty += not damage.is_torn
                self.metrics.faulty.inc(not damage.is_torn)
                print(f"journal: {damage}; the rest was read", file=sys.stderr, flush=True)
        if segments or not is_quiet:
            beside = f", {shadow_rows} of shadows in {self._folder / SHADOWED}" if shadow_rows else ""
            print(f"journal: {rows} rows of {segments} segments are in {self._folder / SERVED}{beside}", flush=True)
        return faulty

    def expire(self) -> None:
        config = self._config
        removed = expire(self._folder, config.keep_days, config.max_gib, self._clock.now())
        if removed.segments or removed.files:
            print(f"journal: {removed}", flush=True)
        room = int(TIDIED * config.images_max_gib * GIB)
        images = remove_images(self._folder, config.images_keep_days, room, self._clock.now())
        self.metrics.expired(removed, images)
        if images.images:
            left = f"{images.kept_images} are left, {images.kept_bytes / 2**20:.1f} MiB"
            print(f"journal: {images.images} images removed, {images.bytes / 2**20:.1f} MiB; {left}", flush=True)
        if removed.is_short and not self._is_short:
            print(
                f"journal: {self._folder} holds more than it should of {config.max_gib:g} GiB (serving.journal.max_gib), and "
                "what is left is not in Parquet yet",
                file=sys.stderr,
                flush=True,
            )
        self._is_short = removed.is_short

    def _tell(self, name: str, error: Exception) -> None:
        if name in self._told:
            return
        self._told.add(name)
        self.metrics.faulty.inc()
        print(f"journal: {f'{name}: ' if isinstance(error, Unreadable) else ''}{error}", file=sys.stderr, flush=True)
