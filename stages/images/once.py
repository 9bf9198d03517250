"""Work that is done once for each content: the same image often comes under many creatives."""

from collections.abc import Callable
from hashlib import blake2b
from threading import Condition
from typing import Generic, TypeVar

Result = TypeVar("Result")
REMEMBERED = 1 << 15  # contents whose result is known, some 100 bytes each
DIGEST_BYTES = 16


class OncePerContent(Generic[Result]):
    """Results of `work` by the content that they were asked for; of the last REMEMBERED contents none is worked on twice.

    Threads may ask at once: who asks for what another thread is working on waits for it.
    """

    def __init__(self) -> None:
        self._results: dict[bytes, Result] = {}
        self._running: set[bytes] = set()
        self._changed = Condition()

    def __call__(self, content: bytes, work: Callable[[bytes], Result]) -> Result:
        """`work(content)`, or what it came to before. Raises what `work` raises; then nothing is remembered."""
        key = blake2b(content, digest_size=DIGEST_BYTES).digest()
        with self._changed:
            while key in self._running:
                self._changed.wait()
            if key in self._results:
                return self._results[key]
            self._running.add(key)
        try:
            result = work(content)
            with self._changed:
                self._results[key] = result
                if len(self._results) > REMEMBERED:
                    del self._results[next(iter(self._results))]
            return result
        finally:
            with self._changed:
                self._running.discard(key)
                self._changed.notify_all()
