"""Compressed text: what a file's suffix says, what its first bytes say, and the bytes inside."""

import re
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
START_BYTES = 512


class Stream(Protocol):
    """Bytes in order."""

    def read(self, size: int) -> bytes: ...


def opened(path: Path) -> Stream:
    """The bytes of a file, unpacked as its suffix says. Reading raises OSError where it is not whole."""
    if path.suffix.lower() in (".xz", ".lzma"):
        return _Xz(path)
    codec = {".gz": "gzip", ".bz2": "bz2", ".zst": "zstd", ".lz4": "lz4"}.get(path.suffix.lower())
    return pa.input_stream(path, compression=codec)


def read_start(path: Path) -> bytes:
    """The first bytes of a file, unpacked.

    Raises SourceError if it is empty, or not compressed as its suffix says; OSError as `opened` does.
    """
    suffix = path.suffix.lower()
    with path.open("rb") as stream:
        start = stream.read(START_BYTES)
    if not start:
        raise SourceError(f"{path} is empty; remove it or send it again")
    if suffix in UNREAD:
        raise SourceError(f"{path} {UNREAD[suffix]}; unpack it, or compress it with gzip ({', '.join(NAMES)} are read)")
    kind = compression(start)
    if suffix in NAMES and not re.match(MAGIC[suffix], start):
        what = f"it is {NAMES[kind]}: give it the suffix {kind}" if kind else "rename it or compress it again"
        raise SourceError(f"{path}: the suffix says {NAMES[suffix]} but the content is not {NAMES[suffix]}; {what}")
    if suffix not in NAMES and kind is not None:
        raise SourceError(f"{path} is compressed with {NAMES[kind]}; give it the suffix {kind}")
    return opened(path).read(START_BYTES) if suffix in NAMES else start


def compression(start: bytes) -> str | None:
    """The suffix of the compression that a file's first bytes tell."""
    return next((suffix for suffix, magic in MAGIC.items() if re.match(magic, start)), None)


class _Xz:
    """As pyarrow's streams, for the compressions that it does not know."""

    def __init__(self, path: Path) -> None:
        import lzma  # a Python that was built without it reads everything else

        self._stream = lzma.LZMAFile(path)  # noqa: SIM115 (whoever reads ends before the file's end, and lets go)
        self._broken = (lzma.LZMAError, EOFError)

    def read(self, size: int) -> bytes:
        try:
            return self._stream.read(size)
        except self._broken as error:
            raise OSError(f"{'Truncated compressed stream' if isinstance(error, EOFError) else f'xz: {error}'}") from error
