"""A text file is opened once and read from its first byte to its last once: so it may come from a pipe, which is gone then."""

import os
import threading
from contextlib import contextmanager, suppress

import pytest

from contracts.dataset.source import Format, SourceError
from contracts.tables.chunk import ROW
from contracts.tables.raw import read_partition
from contracts.tables.reading import read_chunks
from contracts.tables.text.compression import NAMES
from contracts.tables.text.decoding import Utf8Stream
from contracts.tables.text.header import Header
from contracts.tables.text.text_file import SAMPLE_BYTES, TextFile
from tests.contracts.declared import FEATURE, LABEL, check_file, declared
from tests.contracts.test_compression import COMPRESS, MANY, many

LINES = "# exported today\nby, me\n"
PLAIN = "c,y\na,0\nb,1\n"
FILES = {  # text, format
    "plain": (PLAIN, {}),
    "a preamble to be found": (LINES + PLAIN, {"skip_lines": "to_header"}),
    "a preamble of known length": (LINES + PLAIN, {"skip_lines": 2}),
    "another encoding and delimiter": (
        LINES + PLAIN.replace(",", ";"),
        {"encoding": "utf-16", "delimiter": ";", "skip_lines": 2},
    ),
    "no header": ("a,0\nb,1\n", {"header": False}),
}


@contextmanager
def pipe(path, content):
    """At `path` a named pipe that gives `content` to the first who opens it, and is not there for a second."""
    os.mkfifo(path)

    def give():
        with suppress(BrokenPipeError), path.open("wb", buffering=0) as out:  # waits until somebody opens it
            path.unlink()
            out.write(content)

    giver = threading.Thread(target=give, daemon=True)
    giver.start()
    yield path
    giver.join(10)
    assert not giver.is_alive() and not path.exists(), "nobody opened the pipe, or it was left open"


@pytest.mark.parametrize("suffix", ["", *NAMES])
@pytest.mark.parametrize("kind", FILES)
def test_a_file_is_opened_once_whatever_has_to_be_found_in_it(tmp_path, kind, suffix):
    text, fmt = FILES[kind]
    content = COMPRESS.get(suffix, bytes)(text.encode(fmt.get("encoding", "utf-8")))
    with pipe(tmp_path / f"rows.csv{suffix}", content) as path:
        clean, rejected = check_file(path, declared(FEATURE, LABEL, source={"format": fmt}))
    assert (clean.rows(), rejected) == ([("a", 0, 1), ("b", 1, 2)], [])


@pytest.mark.parametrize("suffix", ["", *NAMES])
def test_a_file_larger_than_its_sample_is_opened_once(tmp_path, suffix):
    assert len(MANY) > 1.3 * SAMPLE_BYTES  # MANY comes twice: its header once more, as a row with a wrong label
    with pipe(tmp_path / f"rows.csv{suffix}", many(suffix, copies=2, before=LINES)) as path:
        clean, rejected = check_file(path, declared(FEATURE, LABEL, source={"format": {"skip_lines": "to_header"}}))
    assert clean[ROW].to_list() == [row for row in range(1, 400_002) if row != 200_001]
    assert [(row, value) for row, _, _, value, _ in rejected] == [(200_001, "y")]
    assert clean["c"].to_list() == [str(i * 7919 % 10_007) for i in range(200_000)] * 2


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_a_file_whose_number_of_columns_tells_them_is_opened_once(tmp_path, suffix):
    declaration = declared(FEATURE, LABEL, source={"format": {"header": False}})
    with pipe(tmp_path / f"rows.csv{suffix}", COMPRESS.get(suffix, bytes)(b"a\nb\n")) as path:
        [(_, chunk)] = read_partition([path], declaration, ("c", "y"), frozenset({"y"}))
    assert chunk.rows.rows() == [("a", 1), ("b", 2)]


SENTENCES = {  # text, format, words
    "another header line": (LINES + PLAIN, {"skip_lines": 1}, "its header is line 3; set source.format.skip_lines: 2, or to_h"),
    "no header line": ("q,z\n" * 9, {"skip_lines": "to_header"}, "none of the first 200 lines is the header"),
    "another delimiter": (PLAIN.replace(",", ";"), {}, "separated by ';'; set source.format.delimiter"),
    "another encoding": (
        "é" + PLAIN,
        {"encoding": "ascii"},
        r"the header is not ascii \(\\xc3\\xa9c, y\); set source.format.enc",
    ),
    "no text": ("PK\x03\x04", {}, "is a zip archive"),
    "no row that fits": ("c,y\na,0,1,2\n", {}, "no row has the 2 columns of the header; the first has 4"),
}


@pytest.mark.parametrize("suffix", ["", ".gz", ".xz"])
@pytest.mark.parametrize("kind", SENTENCES)
def test_a_file_that_cannot_be_used_is_opened_once_too(tmp_path, kind, suffix):
    text, fmt, words = SENTENCES[kind]
    with (
        pipe(tmp_path / f"rows.csv{suffix}", COMPRESS.get(suffix, bytes)(text.encode())) as path,
        pytest.raises(SourceError, match=words),
    ):
        check_file(path, declared(FEATURE, LABEL, source={"format": fmt}))


def test_a_reader_that_stops_early_leaves_no_file_open(tmp_path):
    (tmp_path / "rows.csv").write_text(MANY * 9)
    chunks = read_chunks(tmp_path / "rows.csv", Format(), ("c", "y"), frozenset())
    next(chunks)
    assert str(tmp_path / "rows.csv") in files_open()
    chunks.close()
    assert str(tmp_path / "rows.csv") not in files_open()


def files_open():
    numbers = os.listdir("/proc/self/fd")
    return [os.readlink(f"/proc/self/fd/{number}") for number in numbers if os.path.exists(f"/proc/self/fd/{number}")]


def test_what_the_beginning_of_a_file_says_is_found_and_stays_to_be_read(tmp_path):
    text = LINES + " id , kind\n" + "".join(f"{i},{'ab'[i % 2]}\n" for i in range(40))
    (tmp_path / "rows.csv").write_text(text)
    header = Header(tmp_path / "rows.csv", ("number", "kind"), rename={"id": "number"})
    with TextFile.opened(header, Format(skip_lines="to_header", strip=True)) as file:
        assert file.fmt.skip_lines == 2
        assert (file.names, file.called, file.repeated) == ([" id ", " kind"], ["number", "kind"], {" kind"})
        assert file.stream.read() == text.encode()


def test_bytes_that_were_looked_at_are_read_afterwards(tmp_path):
    (tmp_path / "text").write_bytes("añb".encode("latin-1") * 100_000)
    with (tmp_path / "text").open("rb") as raw:
        stream = Utf8Stream(raw, "latin-1", "ñ".encode("latin-1"))
        assert (stream.peek(4), stream.peek(2)) == ("ña".encode() + "ñ".encode()[:1], "ñ".encode())
        assert stream.read(3) == "ña".encode()
        assert stream.peek(1 << 20) == stream.read() == ("ñb" + "añb" * 99_999).encode()
        assert (stream.peek(1), stream.read(1)) == (b"", b"")
