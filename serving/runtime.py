"""Triton's program as it comes in the wheel `nvidia-pytriton`, laid out so that it runs: backend folder, environment."""

import os
import shutil
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path

WHEEL_DIR = Path("triton")  # below the serving environment: `make serve` installs the wheel there
PYTHONS = ((3, 11), (3, 12))  # those for which numpy 1 has wheels


@dataclass(frozen=True, kw_only=True)
class Runtime:
    """Paths of a server that can be started."""

    program: Path
    backends: Path
    caches: Path
    environment: dict[str, str]


def find_runtime(venv: Path) -> Runtime:
    """Lay out the server below `venv`, the serving environment. Raises ValueError with what is missing."""
    wheel = venv / WHEEL_DIR
    server = wheel / "pytriton" / "tritonserver"
    if not (server / "bin" / "tritonserver").is_file():
        raise ValueError(f"{server} holds no Triton server; run `make serve`, which installs it")
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    if sys.version_info[:2] not in PYTHONS:
        raise ValueError(f"serving needs Python 3.11 or 3.12, {sys.executable} is {version}; run `make serve PYTHON=python3.12`")
    backends = _backends(server, venv / "triton-backends", version)
    return Runtime(
        program=_executable(server / "bin" / "tritonserver"),
        backends=backends,
        caches=server / "caches",
        environment=_environment(venv, wheel),
    )


def shared_libpython() -> Path:
    """The folder of this Python's shared library. Raises ValueError if it was built without one."""
    name = sysconfig.get_config_var("INSTSONAME") or ""
    folders = [sysconfig.get_config_var("LIBDIR"), sysconfig.get_config_var("LIBPL"), "/usr/lib/x86_64-linux-gnu", "/usr/lib"]
    for folder in folders:
        if folder and ".so" in name and (Path(folder) / name).exists():
            return Path(folder)
    raise ValueError(
        f"{sys.executable} has no shared libpython, which Triton's Python backend needs; install one "
        f"(Debian, Ubuntu: apt-get install libpython{sys.version_info.major}.{sys.version_info.minor}; "
        "pyenv: PYTHON_CONFIGURE_OPTS=--enable-shared)"
    )


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


def _environment(venv: Path, wheel: Path) -> dict[str, str]:
    """The server's environment: little is taken over, so that nothing of the caller's shell changes what runs."""
    libraries = [wheel.resolve() / "nvidia_pytriton.libs", shared_libpython()]
    kept = {name: os.environ[name] for name in ("HOME", "LANG", "TZ", "TMPDIR", "CUDA_VISIBLE_DEVICES") if name in os.environ}
    return kept | {
        "PATH": f"{venv.resolve() / 'bin'}:/usr/local/bin:/usr/bin:/bin",
        "VIRTUAL_ENV": str(venv.resolve()),
        "LD_LIBRARY_PATH": ":".join(map(str, libraries)),
        "PYTHONDONTWRITEBYTECODE": "1",  # released versions are never written to
        "PYTHONNOUSERSITE": "1",
        "OMP_NUM_THREADS": "1",
    }
