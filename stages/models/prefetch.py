"""Batches prepared ahead by a thread, pinned for the copy to a GPU: pays where a step is shorter than its slicing."""

import queue
import threading
from collections.abc import Iterable, Iterator, Sized
from typing import Protocol

from torch import Tensor

from stages.models.batches import Batch

POLL_S = 0.1  # how soon the thread notices that nobody wants its batches any more
END = None


class Batches(Iterable[Batch], Sized, Protocol):
    """What iterates over batches and knows how many there are."""


class PrefetchedBatches:
    """The batches of `source`, up to `num_ahead` of them ready before they are asked for."""

    def __init__(self, source: Batches, *, num_ahead: int, pin_memory: bool) -> None:
        self.source, self.num_ahead, self.pin_memory = source, num_ahead, pin_memory

    def __len__(self) -> int:
        return len(self.source)

    def __iter__(self) -> Iterator[Batch]:
        ready: queue.Queue[Batch | BaseException | None] = queue.Queue(self.num_ahead)
        stopped = threading.Event()
        thread = threading.Thread(target=self._fill, args=(ready, stopped), daemon=True)
        thread.start()
        try:
            while (item := ready.get()) is not END:
                if isinstance(item, BaseException):
                    raise item
                yield item
        finally:
            stopped.set()
            thread.join()

    def _fill(self, ready: queue.Queue, stopped: threading.Event) -> None:
        try:
            for batch in self.source:
                if not _put(ready, self._pinned(batch), stopped):
                    return
            _put(ready, END, stopped)
        except BaseException as error:
            _put(ready, error, stopped)

    def _pinned(self, batch: Batch) -> Batch:
        if not self.pin_memory:
            return batch
        return Batch(*(part.pin_memory() if isinstance(part, Tensor) else part for part in batch))


def _put(ready: queue.Queue, item: Batch | BaseException | None, stopped: threading.Event) -> bool:
    """Whether `item` was taken into the queue; False once the reader has stopped."""
    while not stopped.is_set():
        try:
            ready.put(item, timeout=POLL_S)
            return True
        except queue.Full:
            continue
    return False
