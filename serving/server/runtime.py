"""Triton's program as it comes in the wheel `nvidia-pytriton`, laid out so that it runs: backend folder, environment."""

import json
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from contracts.local_libraries import NO_TELEMETRY
from serving.triton.environment import ONNXRUNTIME

BACKEND = Path("adclick/libtriton_adclick.so")  # our own, built from serving/native by `make serve`
PRELOADED = Path("triton-preload/libpatient_send.so")  # below the serving environment, from serving/preload
WHEEL_DIR = Path("triton")  # below the serving environment: `make serve` installs the wheel there
PYTHONS = ("3.11", "3.12")  # those for which numpy 1 has wheels
ASK = (
    "import json, sys, sysconfig; names = 'INSTSONAME', 'LIBDIR', 'LIBPL'; "
    "print(json.dumps([sys.version_info[:2], *map(sysconfig.get_config_var, names)]))"
)
OF_THE_SHELL = re.compile(r"[\s\"'`$&;()<>|*?\[\]{}\\!]")
SYSTEM_LIBRARIES = ("/usr/lib/x86_64-linux-gnu", "/usr/lib")


@dataclass(frozen=True, kw_only=True)
class Runtime:
    """Paths of a server that can be started."""

    program: Path
    backends: Path
    caches: Path
    environment: dict[str, str]


@dataclass(frozen=True, kw_only=True)
class Interpreter:
    """The serving environment's Python, whichever Python we run in ourselves."""

    version: str  # 3.11
    library: str  # file name of its shared library; of a static one if it has none
    folders: tuple[str, ...]  # where that may lie


def find_runtime(venv: Path) -> Runtime:
    """Lay out the server below `venv`, the serving environment. Raises ValueError with what is missing."""
    wheel = venv / WHEEL_DIR
    server = wheel / "pytriton" / "tritonserver"
    if not (server / "bin" / "tritonserver").is_file():
        raise ValueError(f"{server} holds no Triton server; run `make serve`, which installs it")
    refuse_shell_characters(venv.resolve())
    python = ask_interpreter(venv / "bin" / "python")
    if python.version not in PYTHONS:
        raise ValueError(
            f"serving needs Python 3.11 or 3.12, {venv} has {python.version}; "
            "remove that folder and run `make serve SERVING_PYTHON=python3.12`"
        )
    libraries = [wheel.resolve() / "nvidia_pytriton.libs", shared_libpython(python), (venv / PRELOADED).parent.resolve()]
    backends = _backends(server, venv / "triton-backends", python.version)
    for built in (backends / BACKEND, venv / PRELOADED):
        if not built.is_file():
            raise ValueError(f"{built} is missing; run `make serve`, which builds it")
    return Runtime(
        program=_executable(server / "bin" / "tritonserver"),
        backends=backends,
        caches=server / "caches",
        environment=_environment(venv, libraries) | {ONNXRUNTIME: str(onnxruntime_library(venv))},
    )


def refuse_shell_characters(path: Path) -> None:
    """Raise ValueError if a path would be taken apart where Triton starts its Python models: by an unquoted shell command."""
    found = OF_THE_SHELL.search(str(path))
    if found is not None:
        raise ValueError(
            f"Triton cannot start its Python models from {path}: a shell takes the path apart at {found[0]!r}; "
            "move the project to a path without it"
        )


def ask_interpreter(program: Path) -> Interpreter:
    """What `program` says of itself. Raises ValueError if it does not run."""
    try:
        answer = subprocess.run([program, "-I", "-c", ASK], capture_output=True, check=True, timeout=30).stdout
    except (OSError, subprocess.SubprocessError) as error:
        raise ValueError(
            f"{program} does not run ({type(error).__name__}); remove {program.parent.parent} and start again"
        ) from None
    (major, minor), library, *folders = json.loads(answer)
    return Interpreter(version=f"{major}.{minor}", library=library or "", folders=(*(f for f in folders if f), *SYSTEM_LIBRARIES))


def shared_libpython(python: Interpreter) -> Path:
    """The folder of the Python's shared library. Raises ValueError if it was built without one."""
    for folder in map(Path, python.folders):
        if ".so" in python.library and (folder / python.library).exists():
            return folder
    raise ValueError(
        f"Python {python.version} has no shared libpython, which Triton's Python backend needs; install one "
        f"(Debian, Ubuntu: apt-get install libpython{python.version}; pyenv: PYTHON_CONFIGURE_OPTS=--enable-shared)"
    )


def onnxruntime_library(venv: Path) -> Path:
    """ONNX Runtime's library with the C API, which its Python package brings. Raises ValueError if it is not there."""
    found = sorted(venv.resolve().glob("lib/python3.*/site-packages/onnxruntime/capi/libonnxruntime.so.*"))
    if not found:
        raise ValueError(f"{venv} holds no libonnxruntime.so; remove that folder and run `make serve`")
    return found[-1]


def _backends(server: Path, folder: Path, version: str) -> Path:
    """The Python backend and the stub of this Python side by side, as Triton wants them."""
    python = folder / "python"
    python.mkdir(parents=True, exist_ok=True)
    stub = server / "python_backend_stubs" / version / "triton_python_backend_stub"
    for source in (*(server / "backends" / "python").glob("*.*"), stub):
        target = python / source.name
        if not target.exists() or target.stat().st_size != source.stat().st_size:
            partial = target.with_name(f".{target.name}.{os.getpid()}")
            shutil.copyfile(source, partial)
            partial.chmod(0o755)
            os.replace(partial, target)
    return folder


def _executable(path: Path) -> Path:
    path.chmod(0o755)
    return path.resolve()


def _environment(venv: Path, libraries: list[Path]) -> dict[str, str]:
    """The server's environment: little is taken over, so that nothing of the caller's shell changes what runs."""
    kept = {name: os.environ[name] for name in ("HOME", "LANG", "TZ", "TMPDIR", "CUDA_VISIBLE_DEVICES") if name in os.environ}
    return kept | {
        "PATH": f"{venv.resolve() / 'bin'}:/usr/local/bin:/usr/bin:/bin",
        "VIRTUAL_ENV": str(venv.resolve()),
        "LD_LIBRARY_PATH": ":".join(map(str, libraries)),
        "LD_PRELOAD": PRELOADED.name,  # found in LD_LIBRARY_PATH: here a path with a blank would be two
        "PYTHONDONTWRITEBYTECODE": "1",  # released versions are never written to
        "PYTHONNOUSERSITE": "1",
        "OMP_NUM_THREADS": "1",
        **NO_TELEMETRY,  # the backend in C opens a session too
    }
