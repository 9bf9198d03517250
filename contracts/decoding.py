"""A text file as UTF-8, whatever it was written in. Bytes that do not decode become private characters that remember
them, so that one broken byte costs its own row and not the file.
"""

import codecs
import io

import pyarrow as pa

MARK = "\U0010f7ff"  # of plane 16, private use: no text has it; MARK and two hex digits stand for a byte
PIECE_BYTES = 1 << 20  # decoded at a time; a piece that is UTF-8 already is passed on as it is
ERRORS = "adclick_mark"


class Utf8Stream(io.RawIOBase):
    """Reads `raw` in `encoding` and gives valid UTF-8. `has_marks` tells whether a byte did not decode so far."""

    def __init__(self, raw: pa.NativeFile, encoding: str) -> None:
        codecs.register_error(ERRORS, self._mark)
        self._raw, self._ready, self._at_end = raw, b"", False
        self._is_utf8 = codecs.lookup(encoding).name == "utf-8"
        self._decoder = codecs.getincrementaldecoder(encoding)(ERRORS)
        self.has_marks = False

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        """`size` bytes, fewer only at the end: pyarrow takes what it gets for a block."""
        pieces, length = [self._ready], len(self._ready)
        while not self._at_end and (size < 0 or length < size):
            data = self._raw.read(PIECE_BYTES)
            self._at_end = not data
            pieces.append(self._as_utf8(data))
            length += len(pieces[-1])
        ready = b"".join(pieces)
        size = length if size < 0 else size
        self._ready = ready[size:]
        return ready[:size]

    def _as_utf8(self, data: bytes) -> bytes:
        if self._is_utf8 and not self._decoder.getstate()[0] and _is_valid(data):
            return data
        return self._decoder.decode(data, final=not data).encode(errors="replace")

    def _mark(self, error: UnicodeError) -> tuple[str, int]:
        if not isinstance(error, UnicodeDecodeError):
            raise error
        self.has_marks = True
        return "".join(f"{MARK}{byte:02x}" for byte in error.object[error.start : error.end]), error.end


def _is_valid(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def escaped_bytes(text: str) -> str:
    r"""How the source wrote `text`, undecodable bytes as \xNN."""
    return text.replace(MARK, "\\x")
