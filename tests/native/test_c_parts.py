"""serving/native and serving/preload by their own tests, in C, under the address, undefined and thread sanitizers."""

import pytest

from tests.native.programs import HERE, MEMORY, SEND, THREADS, build, build_send, build_units, run, ways


def number_of_tests(*names: str) -> int:
    return sum(path.read_text().count("\nTEST(") for name in names for path in HERE.glob(name))


@pytest.mark.parametrize(
    "sanitizer", [pytest.param(MEMORY, marks=pytest.mark.native), pytest.param(THREADS, marks=pytest.mark.native_threads)]
)
class TestUnderSanitizers:
    def test_the_backend(self, sanitizer, tmp_path):
        found = ways(sanitizer)
        said = run(found, build_units(tmp_path, found), tmp_path)
        assert said == f"{number_of_tests('test_*.c') - number_of_tests(SEND)} passed\n"
        assert {path.name for path in tmp_path.iterdir()} == {"units"}  # they leave nothing behind

    def test_the_preloaded_library(self, sanitizer, tmp_path):
        found = ways(sanitizer)
        assert run(found, build_send(tmp_path, found), tmp_path) == f"{number_of_tests(SEND)} passed\n"


@pytest.mark.native
def test_a_fault_is_seen(tmp_path):
    """A read behind a block, a leak and an overflow end a program: the sanitizers are on."""
    found = ways(MEMORY)
    faults = {
        "read": ("char copy[8]; memcpy(copy, calloc(1, 4), (size_t)argc + 4); return copy[0];", "heap-buffer-overflow"),
        "leak": (
            "void* volatile left; while (argc++ < 64) left = malloc(4); left = 0; return left != 0;",
            "LeakSanitizer",
        ),
        "overflow": ("return 2147483647 + argc == 0;", "signed integer overflow"),
    }
    for name, (body, words) in faults.items():
        source = tmp_path / f"{name}.c"
        source.write_text(f"#include <stdlib.h>\n#include <string.h>\nint main(int argc, char** argv) {{ {body} }}\n")
        program = build(tmp_path / name, found, [source, HERE / "faults.c"])
        with pytest.raises(AssertionError, match=words):
            run(found, program, tmp_path)


def test_every_test_is_in_a_file_that_is_compiled():
    assert {path.name for path in HERE.glob("*.c") if "\nTEST(" in path.read_text()} == {
        path.name for path in HERE.glob("test_*.c")
    }
