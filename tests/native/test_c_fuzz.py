"""What reads bytes in serving/native is given any: a short run with a fixed seed here, a million each in `make test-slow`."""

import hashlib
import json
import re
import struct
from pathlib import Path

import pytest

from tests.native.programs import FUZZED, HERE, MEMORY, build_fuzzer, fuzzing_ways, run, ways

SHORT, LONG = 20_000, 1_000_000
STRINGS = [b"site 1", b"", b"x", b"site 2", b"phone", b""]
NUMBERS = (999.0, 7.0, 120.0, -3.0)


def string_in_c(name: str, source: Path) -> str:
    """The value of a constant text of a C file: its pieces, and the macros among them."""
    declared = re.search(r'define A_DECLARATION "(\w+)"', (HERE / "version_folder.h").read_text())[1]
    value = re.search(rf"{name} =(.*?);", source.read_text(), flags=re.S)[1]
    pieces = re.findall(r'"((?:[^"\\]|\\.)*)"|(A_DECLARATION)', value)
    return "".join(declared if macro else text.encode().decode("unicode_escape") for text, macro in pieces)


NATIVE_TEXT, GRAPH = (string_in_c(name, HERE / "version_folder.c") for name in ("NATIVE_TEXT", "GRAPH"))


def packed(strings: list[bytes]) -> bytes:
    return b"".join(struct.pack("<I", len(value)) + value for value in strings)


def a_request(num_rows: int, twice: bool, of_another: bool = False) -> bytes:
    """As fuzz_rows.c takes it: two rows, or what their bytes are of a shape that says something else."""
    strings = packed([b"hour", b"x", b"", b"site"] * 2 if of_another else STRINGS)
    head = struct.pack("<qqBBHHBBBBBB4x", num_rows, num_rows, 128, 128, len(strings), 7, 2, 2, 0, 0, twice, of_another)
    return head + strings + struct.pack("<4f", *NUMBERS)


def a_manifest(**changed: str) -> bytes:
    contents = {"native.txt": NATIVE_TEXT, "ctr_packed.onnx": GRAPH, "release/config.pbtxt": 'name: "ctr"'} | changed
    files = {name: hashlib.sha256(content.encode()).hexdigest() for name, content in contents.items()}
    return json.dumps({"files": files}, indent=2).encode()


def a_schema(categorical: str, numeric: str) -> bytes:
    """journal.json of columns whose names are letters."""
    lists = {"categorical": categorical, "numeric": numeric}
    return json.dumps({key: [{"name": name, "dtype": "string"} for name in names] for key, names in lists.items()}).encode()


def a_pair(first: tuple[str, str], second: tuple[str, str], required: int = 0, nullable: int = 255) -> bytes:
    """As fuzz_layout.c takes it: columns of two releases, and two rows of the first."""
    texts = [a_schema(*columns) for columns in (first, second)]
    sizes = [len(names) for place in (0, 1) for names in (first[place], second[place])]
    head = struct.pack("<8BHH", *sizes, required, nullable, 1, 1, len(texts[0]), len(texts[1]))
    return head + b"".join(texts) + packed([b"a", b"bc", b""][: len(first[0])] * 2)


A_ROUTE = (
    "format 1\nchampion 12\nchallenger 13\nmode canary\nshare 5.5\nshadow 100\nsalt 9f86d081884c7d65\nvalid_until 1764460800000\n"
    "timeout_ms 100\nmax_p99_ms 50\nmax_error_share 0.02\nmax_timeout_share 1\nmax_mean_ratio 1.5\nmin_distinct_ratio 0.2\n"
    "max_slowdown 3\nend\n"
)

SEEDS = {
    "rows": [
        a_request(2, False),
        a_request(2, True),
        a_request(1 << 62, False),
        *(a_request(2, twice, True) for twice in (0, 1)),
    ],
    "route": [
        A_ROUTE.encode(),
        b"format 1\nchampion 12\nmode off\nend\n",
        A_ROUTE.replace("5.5", "0").replace("canary", "shadow").encode(),
    ],
    "layout": [a_pair(("abc", "de"), ("cxa", "fe")), a_pair(("abc", "de"), ("abc", "de")), a_pair(("ab", ""), ("b", "c"), 1, 0)],
    "settings": [NATIVE_TEXT.encode(), NATIVE_TEXT.replace("format 2", "format 1").encode(), b"format 2\nend\n"],
    "sent": [
        bytes([1, 1, 3, 0, 0]) + b"\3\0\0\0key\0\0\0\0",
        bytes([1, 0, 5, 2, 0]) + struct.pack("<I", 256) + "\u00e9".encode() * 128,
        b"\x0067108864 60 1000 answer /a folder",
        b"\x001 0.5 0 refuse x",
    ],
    "privacy": [
        b"\x01drop 2 73697465 drop 616765 drop -",
        b"\x01as_is 1 63726561746976655f696d616765 drop -",
        b'\x00{"categorical": [{"name": "site", "dtype": "string"}], "numeric": [{"name": "age", "dtype": "int"}], "ids": []}',
    ],
    "package": [a_manifest(), a_manifest(GRAPH="other"), b'{"files": {}}'],
}


def fuzz(found, target: str, folder: Path, runs: int, seed: int) -> str:
    seeds = folder / "seeds"
    seeds.mkdir()
    for number, content in enumerate(SEEDS[target]):
        (seeds / str(number)).write_bytes(content)
    return run(found, build_fuzzer(folder, found, target), folder, f"-runs={runs}", f"-seed={seed}", seeds)


@pytest.mark.native
@pytest.mark.parametrize("target", FUZZED)
def test_any_bytes_are_taken_or_refused(target, tmp_path):
    said = fuzz(ways(MEMORY), target, tmp_path, SHORT, seed=1)
    runs, edges = map(int, re.fullmatch(r"(\d+) runs reached (\d+) edges by \d+ inputs\n", said).groups())
    assert runs == SHORT and edges > 150


@pytest.mark.native
@pytest.mark.slow
@pytest.mark.parametrize("target", FUZZED)
def test_a_million_times(target, tmp_path):
    fuzz(fuzzing_ways(), target, tmp_path, LONG, seed=2)
