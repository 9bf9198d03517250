"""Compressed text: what a file's suffix says, what its first bytes say, and the bytes inside."""

import re
from io import BufferedReader
from pathlib import Path
from typing import Protocol

import pyarrow as pa

from contracts.dataset.source import SourceError

NAMES = {".gz": "gzip", ".bz2": "bzip2", ".zst": "Zstandard", ".lz4": "LZ4", ".xz": "xz", ".lzma": "lzma"}
MAGIC = {  # how files of these kinds begin
    ".gz": rb"\x1f\x8b",
    ".bz2": rb"BZh[1-9](1AY&SY|\x17rE8P\x90)",
    ".zst": rb"\x28\xb5\x2f\xfd|[\x50-\x5f]\x2a\x4d\x18",
    ".lz4": rb"\x04\x22\x4d\x18|[\x50-\x5f]\x2a\x4d\x18",
    ".xz": rb"\xfd7zXZ\0",
    ".lzma": rb"\x5d\0\0",
}
UNREAD = {  # suffixes of what no first bytes tell
    ".br": "is compressed with Brotli, which is not read",
    ".lzo": "is compressed with LZO, which is not read",
    ".snappy": "is compressed with Snappy, which is not read",
}
ARROW_CODECS = {".gz": "gzip", ".bz2": "bz2", ".zst": "zstd", ".lz4": "lz4"}  # what pyarrow calls those it unpacks
START_BYTES = 512


class Stream(Protocol):
    """Bytes in order."""

    def read(self, size: int) -> bytes: ...


def unpacked(path: Path, file: BufferedReader) -> tuple[bytes, Stream]:
    """The first bytes of what `file` holds, unpacked as the suffix of `path` says, and the stream of all after them.

    `file` is open at its first byte. Raises SourceError if it is empty, or not compressed as its suffix says. Reading raises
    OSError where it is not whole.
    """
    packed, suffix = file.peek(START_BYTES)[:START_BYTES], path.suffix.lower()
    if not packed:
        raise SourceError(f"{path} is empty; remove it or send it again")
    if suffix in UNREAD:
        raise SourceError(f"{path} {UNREAD[suffix]}; unpack it, or compress it with gzip ({', '.join(NAMES)} are read)")
    kind = compression(packed)
    if suffix in NAMES and not re.match(MAGIC[suffix], packed):
        what = f"it is {NAMES[kind]}: give it the suffix {kind}" if kind else "rename it or compress it again"
        raise SourceError(f"{path}: the suffix says {NAMES[suffix]} but the content is not {NAMES[suffix]}; {what}")
    if suffix not in NAMES and kind is not None:
        raise SourceError(f"{path} is compressed with {NAMES[kind]}; give it the suffix {kind}")
    stream = _unpacking(file, suffix) if suffix in NAMES else file
    return stream.read(START_BYTES), stream


def _unpacking(file: BufferedReader, suffix: str) -> Stream:
    codec = ARROW_CODECS.get(suffix)
    return _Xz(file) if codec is None else pa.input_stream(file, compression=codec)


def compression(start: bytes) -> str | None:
    """The suffix of the compression that a file's first bytes tell."""
    return next((suffix for suffix, magic in MAGIC.items() if re.match(magic, start)), None)


class _Xz:
    """As pyarrow's streams, for the compressions that it does not know."""

    def __init__(self, file: BufferedReader) -> None:
        import lzma  # a Python that was built without it reads everything else

        self._stream = lzma.LZMAFile(file)  # noqa: SIM115 (whoever opened the file closes it)
        self._broken = (lzma.LZMAError, EOFError)

    def read(self, size: int) -> bytes:
        try:
            return self._stream.read(size)
        except self._broken as error:
            raise OSError(f"{'Truncated compressed stream' if isinstance(error, EOFError) else f'xz: {error}'}") from error
