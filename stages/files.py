"""Files that appear whole or not at all, and whose bytes are a function of their content."""

import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

SMALL_BYTES = 1 << 20  # a file up to this size is read whole


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """A temporary path beside `path`: renamed to `path` when the block ends well, removed when it does not."""
    partial = _partial(path)
    try:
        yield partial
        os.replace(partial, path)
    finally:
        _remove(partial)


@contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """As `atomic_path`, for a folder: an older folder at `path` is replaced only after the new one is complete."""
    partial = _partial(path)
    partial.mkdir()
    try:
        yield partial
        _remove(path)
        os.replace(partial, path)
    finally:
        _remove(partial)


def _partial(path: Path) -> Path:
    """The temporary path of this process beside `path`; what killed processes left under such names is removed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    for left in path.parent.glob(f".{path.name}.*.partial"):
        pid = left.name.removesuffix(".partial").rpartition(".")[2]
        if pid.isdigit() and (int(pid) == os.getpid() or not _is_running(int(pid))):
            _remove(left)
    return path.parent / f".{path.name}.{os.getpid()}.partial"


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def keep_only(folder: Path, names: set[str]) -> None:
    """Make `folder` if need be and remove everything in it that is not named."""
    folder.mkdir(parents=True, exist_ok=True)
    for path in folder.iterdir():
        if path.name not in names:
            _remove(path)


def write_json(path: Path, obj: Any) -> None:
    """Write `obj` with sorted keys; NaN is refused, since JSON has none."""
    with atomic_path(path) as partial:
        text = json.dumps(obj, sort_keys=True, indent=2, allow_nan=False, ensure_ascii=False)
        partial.write_text(f"{text}\n", encoding="utf-8")


def read_json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def file_state(path: Path) -> list[int]:
    """Size, time (ns) and inode, which stay the same while nobody changes or replaces the file."""
    stat = path.stat()
    return [stat.st_size, stat.st_mtime_ns, stat.st_ino]


def sha256_file(path: Path) -> str:
    with path.open("rb") as stream:
        if os.fstat(stream.fileno()).st_size <= SMALL_BYTES:
            return hashlib.sha256(stream.read()).hexdigest()  # file_digest makes and clears 256 KiB for every file
        return hashlib.file_digest(stream, "sha256").hexdigest()


def sha256_tree(folder: Path, skip: str = "") -> str:
    """Digest of every file below `folder`, by relative name and content, in sorted order, but files named `skip`."""
    digest = hashlib.sha256()
    for name in _in_order(folder):
        parts = name.split("/")
        if parts[-1] != skip and "__pycache__" not in parts:
            digest.update(f"{name}\0{sha256_file(folder / name)}\n".encode())
    return digest.hexdigest()


def sha256_code(code: tuple[Path, ...], libraries: tuple[str, ...] = ()) -> str:
    """One digest over modules and packages, and over the installed versions of `libraries`."""
    digest = hashlib.sha256()
    for path in code:
        digest.update(f"{path.name}\0{sha256_tree(path) if path.is_dir() else sha256_file(path)}\n".encode())
    for name in libraries:
        digest.update(f"{name}\0{version(name)}\n".encode())
    return digest.hexdigest()


def digests_below(folder: Path) -> dict[str, str]:
    """Sha-256 of every file below `folder` by its path there; nothing if there is no such folder."""
    return {name: sha256_file(folder / name) for name in _in_order(folder)} if folder.is_dir() else {}


def _in_order(folder: Path) -> list[str]:
    """Paths below `folder` of its files, with slashes; what is in a folder stands together."""
    top = len(f"{folder}/")
    return sorted((path[top:] for path in _files_below(folder)), key=lambda name: name.replace("/", "\0"))


def _files_below(folder: str | Path) -> Iterator[str]:
    """Every file below `folder`; a folder that is a link is not entered."""
    with os.scandir(folder) as entries:  # knows files from folders without asking for each, which Path.rglob does not
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                yield from _files_below(entry.path)
            elif entry.is_file():
                yield entry.path
