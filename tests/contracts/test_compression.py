"""Compressed files: which are read, and what is said of those that are cut, mislabelled or something else inside."""

import bz2
import gzip
import io
import lzma
import re
import tarfile
import zipfile
from functools import cache

import pyarrow as pa
import pytest

from contracts.dataset.source import SourceError
from contracts.tables.text.compression import NAMES, compression
from contracts.tables.text.delimited import BLOCK_BYTES
from tests.contracts.test_reading import PLAIN, TWO_ROWS, read, write


def by_arrow(codec):
    def compressed(content: bytes) -> bytes:
        sink = pa.BufferOutputStream()
        with pa.CompressedOutputStream(sink, codec) as stream:
            stream.write(content)
        return sink.getvalue().to_pybytes()

    return compressed


COMPRESS = {
    ".gz": gzip.compress,
    ".bz2": bz2.compress,
    ".zst": by_arrow("zstd"),
    ".lz4": by_arrow("lz4"),
    ".xz": lzma.compress,
    ".lzma": lambda content: lzma.compress(content, lzma.FORMAT_ALONE),
}
MANY = "c,y\n" + "".join(f"{i * 7919 % 10_007},{i % 2}\n" for i in range(200_000))  # more than is read at a time


@cache
def many(suffix: str, copies: int = 1, before: str = "") -> bytes:
    """`before` and copies of MANY, compressed: once for all tests of a process, as it takes longer than reading."""
    return COMPRESS.get(suffix, bytes)((before + MANY * copies).encode())


def test_every_compression_that_has_a_name_is_tried():
    assert list(COMPRESS) == list(NAMES)


@pytest.mark.parametrize("suffix", COMPRESS)
def test_compressed_text_is_read_whatever_the_case_of_its_suffix(tmp_path, suffix):
    content = COMPRESS[suffix](PLAIN.encode())
    assert compression(content) == suffix
    assert read(write(tmp_path, f"rows.csv{suffix}", content)) == TWO_ROWS
    assert read(write(tmp_path, f"ROWS.CSV{suffix.upper()}", content)) == TWO_ROWS


@pytest.mark.parametrize("suffix", COMPRESS)
def test_large_files_and_files_in_several_pieces_are_read_whole(tmp_path, suffix):
    assert len(MANY) > BLOCK_BYTES
    found = read(write(tmp_path, f"rows.csv{suffix}", many(suffix)))
    assert len(found) == 200_000 and found[-1] == (str(199_999 * 7919 % 10_007), 1)
    if suffix != ".lzma":  # which has no second piece
        pieces = COMPRESS[suffix](b"c,y\na,0\n") + COMPRESS[suffix](b"b,1\n")
        assert read(write(tmp_path, f"rows.csv{suffix}", pieces)) == TWO_ROWS


@pytest.mark.parametrize("suffix", COMPRESS)
@pytest.mark.parametrize("share", [0.0001, 0.5, 0.9999])
def test_a_file_that_was_cut_off_gives_one_sentence(tmp_path, suffix, share):
    content = many(suffix)
    path = write(tmp_path, f"rows.csv{suffix}", content[: max(13, int(len(content) * share))])
    with pytest.raises(SourceError, match="the compressed stream ends too early: the file was cut off; send it again"):
        read(path)


@pytest.mark.parametrize("suffix", [".gz", ".bz2", ".xz"])  # the others need not have checksums
def test_a_file_that_was_damaged_gives_one_sentence(tmp_path, suffix):
    content = bytearray(many(suffix))
    content[len(content) // 2 : len(content) // 2 + 40] = b"\xff" * 40
    with pytest.raises(SourceError, match=r"is compressed, but cannot be unpacked to its end \(.*\); compress it again") as error:
        read(write(tmp_path, f"rows.csv{suffix}", bytes(content)))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("suffix", COMPRESS)
def test_compressed_text_without_its_suffix_says_which_to_give(tmp_path, suffix):
    path = write(tmp_path, "rows.csv", COMPRESS[suffix](PLAIN.encode()))
    with pytest.raises(SourceError, match=f"is compressed with {NAMES[suffix]}; give it the suffix {suffix}$"):
        read(path)


@pytest.mark.parametrize("suffix", COMPRESS)
def test_a_suffix_that_the_content_does_not_keep_says_what_it_is(tmp_path, suffix):
    wrong = f"the suffix says {NAMES[suffix]} but the content is not {NAMES[suffix]}; "
    with pytest.raises(SourceError, match=f"{wrong}rename it or compress it again"):
        read(write(tmp_path, f"rows.csv{suffix}", PLAIN))
    other = ".gz" if suffix != ".gz" else ".xz"
    with pytest.raises(SourceError, match=f"{wrong}it is {NAMES[other]}: give it the suffix {other}"):
        read(write(tmp_path, f"rows.csv{suffix}", COMPRESS[other](PLAIN.encode())))


def archive(kind: str) -> bytes:
    """An archive with the two rows in it."""
    stream = io.BytesIO()
    if kind == "zip":
        with zipfile.ZipFile(stream, "w") as packed:
            packed.writestr("rows.csv", PLAIN)
    else:
        with tarfile.open(fileobj=stream, mode="w") as packed:
            member = tarfile.TarInfo("rows.csv")
            member.size = len(PLAIN)
            packed.addfile(member, io.BytesIO(PLAIN.encode()))
    return stream.getvalue()


OTHERS = {  # name, content, words of the sentence
    "tar": ("a.tar", archive("tar"), "is a tar archive; unpack it to files of delimited text"),
    "tar.gz": ("a.tar.gz", gzip.compress(archive("tar")), r"a.tar.gz, unpacked, is a tar archive; unpack it"),
    "tgz": ("a.tgz", gzip.compress(archive("tar")), "is compressed with gzip; give it the suffix .gz"),
    "zip in xz": ("a.csv.xz", lzma.compress(archive("zip")), r"unpacked, is a zip archive \(or an Excel file\); unpack it"),
    "gzip twice": ("a.csv.gz", gzip.compress(gzip.compress(b"c,y\n")), "unpacked, is compressed with gzip once more; unpack"),
    "parquet in gzip": ("a.parquet.gz", gzip.compress(b"PAR1"), "unpacked, is a Parquet file; give it the suffix .parquet"),
    "7z": ("a.csv", b"7z\xbc\xaf\x27\x1c\0\x04", "is a 7z archive; unpack it to delimited text"),
    "7z by its name": ("a.7z", b"7z\xbc\xaf\x27\x1c\0\x04", "is a 7z archive; unpack it to delimited text"),
    "rar": ("a.rar", b"Rar!\x1a\x07\x01\0", "is a RAR archive; unpack it"),
    "compress": ("a.csv.Z", b"\x1f\x9d\x90c", r"is packed by compress \(.Z\); unpack it, or compress it with gzip"),
    "old Excel": ("a.csv", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "is an old Excel .* file; save it as CSV"),
    "Feather": ("a.feather", b"ARROW1\0\0", r"is an Arrow \(Feather\) file; save it as Parquet or CSV"),
    "Avro": ("a.avro", b"Obj\x01\x04", "is an Avro file; save it as Parquet or CSV"),
    "SQLite": ("a.db", b"SQLite format 3\0", "is an SQLite database; save the table as Parquet or CSV"),
    "Brotli": (
        "a.csv.br",
        b"\x0b\x02\x80c",
        r"is compressed with Brotli, which is not read; unpack it, or compress it with gzip \(",
    ),
    "Snappy": ("a.csv.snappy", b"\xff\x06", "is compressed with Snappy, which is not read; unpack it"),
    "LZO": ("a.csv.lzo", b"\x89LZO", "is compressed with LZO, which is not read; unpack it"),
    "empty xz": ("a.csv.xz", lzma.compress(b""), "has no rows; remove it or send it again"),
    "no bytes": ("a.csv.xz", b"", "is empty; remove it or send it again"),
    "utf-16 in gzip": ("a.csv.gz", gzip.compress(PLAIN.encode("utf-16")), "begins with the byte order mark of utf-16, declared"),
    "utf-16 in xz": ("a.csv.xz", lzma.compress(PLAIN.encode("utf-16-le")), "begins with zero bytes, as UTF-16 does; set source"),
}


@pytest.mark.parametrize("kind", OTHERS)
def test_what_is_no_text_inside_is_named(tmp_path, kind):
    name, content, words = OTHERS[kind]
    with pytest.raises(SourceError, match=words) as error:
        read(write(tmp_path, name, content))
    assert str(tmp_path / name) in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize("start", ["BZh,y", "]x,y", "7z,y", "Rar,y", "Obj,y", "(x,y", "x*M,y"])
def test_text_that_begins_almost_like_something_else_is_text(tmp_path, start):
    path = write(tmp_path, "rows.csv", f"{start}\na,0\nb,1\n")
    with pytest.raises(SourceError, match=f"lacks the declared column 'c'; it has {re.escape(start[:-2])}, y; if"):
        read(path)
