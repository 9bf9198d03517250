"""Programs of the C parts' own tests, compiled with sanitizers: by gcc, and the fuzzers by clang where that has libFuzzer.

The compiler that builds what is served, zig's, has neither the runtime of the address sanitizer nor libFuzzer.
"""

import os
import subprocess
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
HERE, NATIVE = ROOT / "tests/native", ROOT / "serving/native"
MEMORY, THREADS = "address,undefined", "thread"  # as -fsanitize names them
FLAGS = [
    *("-std=c11", "-D_GNU_SOURCE", "-O1", "-g", "-fno-omit-frame-pointer", "-fno-sanitize-recover=all"),
    *("-Wall", "-Wextra", "-Wno-unused-parameter", "-Wno-format-truncation", "-Werror", f"-I{NATIVE}", f"-I{HERE}"),
]
LIBRARIES = [
    "-Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc,--wrap=pthread_create",  # tests/native/faults.c can refuse these
    *("-lpthread", "-lm", "-ldl", "-l:libcrypto.so.3"),
]
SEND = "test_patient_send.c"  # a program of its own, since it has its own `send`
COMPARED = "routes_and_keys.c"  # another one, which Python is compared with
FUZZED = {  # what the fuzz targets are about
    "rows": (
        *("rows.c", "settings.c", "words.c", "request/input.c", "request/sent.c", "journal/bytes.c", "journal/schema.c"),
        "routing/layout.c",
    ),
    "settings": ("settings.c", "words.c"),
    "package": ("package.c", "manifest.c"),
    "route": ("routing/route.c", "words.c"),
    "layout": ("routing/layout.c", "journal/schema.c"),
    "sent": ("request/sent.c", "request/input.c", "journal/bytes.c", "journal/options.c", "journal/clock.c", "words.c"),
    "privacy": ("journal/privacy.c", "journal/pseudonym.c", "journal/schema.c", "journal/bytes.c", "words.c"),
}
THREAD_PROBE = "#include <pthread.h>\nint main(void) { return pthread_self() == 0; }\n"
FUZZ_PROBE = "#include <stddef.h>\nint LLVMFuzzerTestOneInput(const unsigned char* data, size_t size) { return 0; }\n"
WITHOUT_FIXED_ADDRESSES = ["setarch", "--addr-no-randomize"]  # gcc 12's thread sanitizer wants it of newer kernels


@dataclass(frozen=True, kw_only=True)
class Ways:
    """How programs are compiled and started here."""

    compiler: str
    flags: tuple[str, ...]
    start: tuple[str, ...]  # before a program's name


@cache
def ways(sanitizer: str) -> Ways | None:
    """Those for a sanitizer; None if this machine lacks gcc, that sanitizer or libcrypto."""
    return _tried("gcc", (f"-fsanitize={sanitizer}",), THREAD_PROBE)


@cache
def fuzzing_ways() -> Ways | None:
    """libFuzzer's, else gcc's with tests/native/fuzz.c."""
    return _tried("clang", (f"-fsanitize=fuzzer,{MEMORY}",), FUZZ_PROBE, "-runs=1") or ways(MEMORY)


def _tried(compiler: str, flags: tuple[str, ...], source: str, *arguments: str) -> Ways | None:
    with tempfile.TemporaryDirectory() as folder:
        probe = Path(folder) / "probe.c"
        probe.write_text(source)
        command = [compiler, *FLAGS, *flags, "-o", f"{folder}/probe", probe, *LIBRARIES[1:]]
        if not _works(command):
            return None
        for start in ([], WITHOUT_FIXED_ADDRESSES):
            if _works([*start, f"{folder}/probe", *arguments]):
                return Ways(compiler=compiler, flags=flags, start=tuple(start))
    return None


def _works(command: list[str | Path]) -> bool:
    try:
        return subprocess.run(command, capture_output=True, timeout=60).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


def build_units(folder: Path, found: Ways) -> Path:
    """The tests of serving/native."""
    own = [path for path in sorted(HERE.glob("*.c")) if not path.name.startswith("fuzz") and path.name not in (SEND, COMPARED)]
    return build(folder / "units", found, [*own, *sorted(NATIVE.rglob("*.c"))], "-rdynamic")


def build_send(folder: Path, found: Ways) -> Path:
    """The tests of serving/preload."""
    sources = [HERE / SEND, HERE / "units.c", HERE / "faults.c", ROOT / "serving/preload/patient_send.c"]
    return build(folder / "send", found, sources)


def build_fuzzer(folder: Path, found: Ways, target: str) -> Path:
    """A fuzz target. Takes `-runs=`, `-seed=` and a folder of inputs to begin with."""
    program = folder / f"fuzz_{target}"
    sources = [HERE / f"fuzz_{target}.c", *(NATIVE / name for name in FUZZED[target])]
    sources += [HERE / name for name in ("version_folder.c", "faults.c", "fake_triton.c")]
    if found.compiler == "clang":
        return build(program, found, sources)
    driver = build(folder / "fuzz.o", found, [HERE / "fuzz.c"], "-c")  # not itself traced
    return build(program, found, [*sources, driver], "-fsanitize-coverage=trace-pc")


def build(program: Path, found: Ways, sources: list[Path], *flags: str) -> Path:
    command = [found.compiler, *FLAGS, *found.flags, *flags, "-o", program, *sources]
    done = subprocess.run([*command, *([] if "-c" in flags else LIBRARIES)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return program


def run(found: Ways, program: Path, folder: Path, *arguments: str | Path) -> str:
    """What the program prints, run in `folder`; fails with what it says if it does."""
    environment = {"PATH": os.environ["PATH"], "TMPDIR": str(folder)}
    done = subprocess.run(
        [*found.start, program, *arguments], cwd=folder, env=environment, capture_output=True, text=True, errors="replace"
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done.stdout
