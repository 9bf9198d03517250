"""A text file as UTF-8, whatever it was written in. Bytes that do not decode become private characters that remember
them, so that one broken byte costs its own row and not the file.
"""

import codecs
import io
from threading import Event, Lock

from contracts.tables.text.compression import Stream
from contracts.tables.text.separator import Separated

MARK = "\U0010f7ff"  # of plane 16, private use: no text has it; MARK and two hex digits stand for a byte
PIECE_BYTES = 1 << 16  # decoded at a time; small, since every broken byte costs a copy of its piece
ERRORS = "adclick_mark"
GIVE_UP_S = 0.02  # to wait for a thread that reads on at once, or has ended already


class Utf8Stream(io.RawIOBase):
    """Reads `start`, then `raw`, in `encoding` and gives valid UTF-8, with one character for a `delimiter` of several.

    `has_marks` tells whether a byte did not decode so far, `last` is the last byte so far that is no line break.
    """

    def __init__(self, raw: Stream, encoding: str, start: bytes = b"", delimiter: str = "") -> None:
        codecs.register_error(ERRORS, self._mark)
        self._raw, self._start, self._ready, self._cut, self._at_end = raw, start, b"", b"", False
        self._is_utf8 = codecs.lookup(encoding).name == "utf-8"
        self._decoder = codecs.getincrementaldecoder(encoding)(ERRORS)
        self._separated = Separated(delimiter) if len(delimiter) > 1 else None
        self.has_marks, self.last = False, b""
        self._given_up, self._ended, self._reading = False, Event(), Lock()

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        """`size` bytes, fewer only at the end: pyarrow takes what it gets for a block."""
        with self._reading:
            ready = b"" if self._given_up else self._read(size)
        if not ready:
            self._ended.set()
        return ready

    def peek(self, size: int) -> bytes:
        """The next `size` bytes, fewer only at the end; they stay to be read."""
        with self._reading:
            self._fill(size)
            return self._ready[:size]

    def _read(self, size: int) -> bytes:
        self._fill(size)
        size = len(self._ready) if size < 0 else size
        ready, self._ready = self._ready[:size], self._ready[size:]
        return ready

    def _fill(self, size: int) -> None:
        pieces, length = [self._ready], len(self._ready)
        while not self._at_end and (size < 0 or length < size):
            data, self._start = self._start or self._raw.read(PIECE_BYTES), b""
            self._at_end = not data
            text = self._as_utf8(data)
            pieces.append(text if self._separated is None else self._separated.piece(text, self._at_end))
            length += len(pieces[-1])
            self.last = pieces[-1].rstrip(b"\r\n")[-1:] or self.last
        self._ready = b"".join(pieces)

    def give_up(self) -> None:
        """Give nothing any more, as at the end of the file, and wait until pyarrow's thread has seen it.

        A thread of C++ that calls Python while the process ends aborts it.
        """
        self._given_up = True
        with self._reading:
            pass
        self._ended.wait(GIVE_UP_S)

    def _as_utf8(self, data: bytes) -> bytes:
        return self._mended(data) if self._is_utf8 else self._decoder.decode(data, final=not data).encode(errors="replace")

    def _mended(self, data: bytes) -> bytes:
        """UTF-8 as it is but for broken bytes; a character cut at the end waits for the next piece."""
        rest, at_end = self._cut + data, not data
        pieces: list[bytes] = []
        self._cut = b""
        while rest:
            try:
                length = codecs.utf_8_decode(rest, "strict", at_end)[1]
                self._cut = rest[length:]
                return b"".join([*pieces, rest[:length]]) if pieces else rest[:length]
            except UnicodeDecodeError as error:
                pieces += [rest[: error.start], self._mark(error)[0].encode()]
                rest = rest[error.end :]
        return b"".join(pieces)

    def _mark(self, error: UnicodeError) -> tuple[str, int]:
        if not isinstance(error, UnicodeDecodeError):
            raise error
        self.has_marks = True
        return "".join(f"{MARK}{byte:02x}" for byte in error.object[error.start : error.end]), error.end


def escaped_bytes(text: str) -> str:
    r"""How the source wrote `text`, undecodable bytes as \xNN."""
    return text.replace(MARK, "\\x")
