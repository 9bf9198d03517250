"""Files that appear whole or not at all, and what is certain to be on the disk."""

import hashlib
import os
import shutil
from pathlib import Path


def write_whole(path: Path, content: bytes, synced: bool = False) -> None:
    """Replace the file, or make it, in one step; what does not fit on the disk leaves it as it was.

    `synced`: its content is on the disk before its name is; `sync` of the folder sees to the name.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        partial.write_bytes(content)
        if synced:
            sync(partial)
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def sync(path: Path) -> None:
    """See the file, or the names in the folder, on the disk."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def link_or_copy(source: str | Path, target: str | Path) -> None:
    """One file under two names, where the disk lets it be: for files that are replaced as a whole, never changed."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def sha256_file(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
