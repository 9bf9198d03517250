"""What was built of serving/native and serving/preload has the hardening that requirements/build-backend.sh asks for."""

import struct
from pathlib import Path

import pytest

from serving.server.runtime import BACKEND, PRELOADED
from tests.serving.served_world import VENV

pytestmark = pytest.mark.triton
DYNAMIC, GNU_STACK, GNU_RELRO = 2, 0x6474E551, 0x6474E552  # segments of an ELF file
EXECUTABLE, WRITABLE = 1, 2
FLAGS_1, NOW = 0x6FFFFFFB, 1
ENDBR64 = b"\xf3\x0f\x1e\xfa"


class Library:
    """A 64-bit little-endian ELF file: its segments by kind (flags, offset, size), its dynamic entries."""

    def __init__(self, path: Path) -> None:
        self.content = path.read_bytes()
        assert self.content[:6] == b"\x7fELF\x02\x01"
        start, size, count = (*struct.unpack_from("<Q", self.content, 32), *struct.unpack_from("<HH", self.content, 54))
        headers = [struct.unpack_from("<IIQQQQQQ", self.content, start + size * i) for i in range(count)]
        self.segments = {kind: (flags, offset, length) for kind, flags, offset, _, _, length, _, _ in headers}
        _, offset, length = self.segments[DYNAMIC]
        self.dynamic = dict(struct.iter_unpack("<qQ", self.content[offset : offset + length]))
        self.all_flags = [flags for kind, flags, *_ in headers]


@pytest.fixture(params=[Path("triton-backends") / BACKEND, PRELOADED], ids=["backend", "preloaded"])
def library(request) -> Library:
    return Library(VENV / request.param)


def test_addresses_that_functions_are_found_by_cannot_be_written(library):
    assert GNU_RELRO in library.segments and library.dynamic[FLAGS_1] & NOW


def test_nothing_is_writable_and_executable(library):
    assert not library.segments[GNU_STACK][0] & EXECUTABLE
    assert not any(flags & WRITABLE and flags & EXECUTABLE for flags in library.all_flags)


def test_functions_that_have_arrays_look_at_the_stack(library):
    assert b"\0__stack_chk_fail\0" in library.content


def test_indirect_calls_land_where_they_may(library):
    assert library.content.count(ENDBR64) > 5


def test_copies_are_checked_against_the_size_of_what_they_go_to():
    content = Library(VENV / "triton-backends" / BACKEND).content
    assert all(name in content for name in (b"\0__vsnprintf_chk\0", b"\0__memcpy_chk\0", b"\0__read_chk\0"))
