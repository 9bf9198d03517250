"""Is a file text, by its first bytes, and in the declared encoding; what else it is, it is called."""

import codecs
from pathlib import Path

from contracts.dataset.source import Format, SourceError
from contracts.tables.text.compression import NAMES, compression

MAGIC = {  # first bytes of what is no delimited text
    b"PK\x03\x04": "is a zip archive (or an Excel file); unpack it to delimited text, or give an archive of such the suffix .zip",
    b"PAR1": "is a Parquet file; give it the suffix .parquet",
    b"7z\xbc\xaf\x27\x1c": "is a 7z archive; unpack it to delimited text",
    b"Rar!\x1a\x07": "is a RAR archive; unpack it to delimited text",
    b"\x1f\x9d": "is packed by compress (.Z); unpack it, or compress it with gzip",
    b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1": "is an old Excel (or Office) file; save it as CSV",
    b"ARROW1": "is an Arrow (Feather) file; save it as Parquet or CSV",
    b"Obj\x01": "is an Avro file; save it as Parquet or CSV",
    b"SQLite format 3\0": "is an SQLite database; save the table as Parquet or CSV",
}
TAR = slice(257, 262)  # where a tar archive says "ustar"
BYTE_ORDER_MARKS = {  # the longer ones first: that of UTF-32 begins as that of UTF-16
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}


def check_magic(path: Path, start: bytes, fmt: Format) -> None:
    """Raise SourceError if `path`, to be read as text, is something else by its first bytes, `start`, unpacked."""
    unpacked = ", unpacked," if path.suffix.lower() in NAMES else ""
    for magic, advice in MAGIC.items():
        if start.startswith(magic):
            raise SourceError(f"{path}{unpacked} {advice}")
    if start[TAR] == b"ustar":
        raise SourceError(f"{path}{unpacked} is a tar archive; unpack it to files of delimited text")
    if unpacked and (inner := compression(start)) is not None:
        raise SourceError(f"{path}, unpacked, is compressed with {NAMES[inner]} once more; unpack it once")
    start = start[:4]
    codec = codecs.lookup(fmt.encoding).name
    marked = next((encoding for mark, encoding in BYTE_ORDER_MARKS.items() if start.startswith(mark)), None)
    if marked is not None and not codec.startswith(marked):
        raise SourceError(
            f"{path} begins with the byte order mark of {marked}, declared is {fmt.encoding}; set {fmt.where}.encoding: {marked}"
        )
    if b"\0" in start and not codec.startswith(("utf-16", "utf-32")):
        wide = "utf-16" if start.count(b"\0") <= 2 else "utf-32"
        raise SourceError(
            f"{path} begins with zero bytes, as {wide.upper()} does; set {fmt.where}.encoding: {wide}-le or {wide}-be"
        )
