"""Reading ahead, writing behind, working side by side: parsing, checking and compressing use more than one core."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Any, Self, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")
END = object()


def read_ahead(items: Iterator[Item]) -> Iterator[Item]:
    """The items in order; a thread fetches the next while the caller works on this one. Its errors are the caller's."""
    with ThreadPoolExecutor(1, thread_name_prefix="read-ahead") as pool:
        waiting = pool.submit(next, items, END)
        while (item := waiting.result()) is not END:
            waiting = pool.submit(next, items, END)
            yield item


def side_by_side(work: Callable[[Item], Result], items: Iterable[Item], threads: int) -> Iterator[Result]:
    """`work(item)` of every item, in order, in so many threads; one more item is fetched and waits for them.

    The error of the first item that has one is the caller's; nothing is begun after it.
    """
    pool = ThreadPoolExecutor(threads, thread_name_prefix="side-by-side")
    running: deque[Future[Result]] = deque()
    try:
        for item in items:
            running.append(pool.submit(work, item))
            if len(running) > threads:
                yield running.popleft().result()
        while running:
            yield running.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


class WriteBehind:
    """Calls a function in a thread, one call after the other and at most one waiting; leaving the block waits for all."""

    def __init__(self, write: Callable[[Any], Any]) -> None:
        self._write = write
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="write-behind")
        self._last: Future | None = None

    def put(self, item: Any) -> None:
        """Hand over `item`. Raises what the call before raised."""
        if self._last is not None:
            self._last.result()
        self._last = self._pool.submit(self._write, item)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._pool.shutdown(wait=True)
        if kind is None and self._last is not None:
            self._last.result()
