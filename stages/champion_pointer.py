"""champion/model.dvc: what DVC tracks of the champion, how it is written, restored and committed."""

import subprocess
from typing import Any

import yaml

from contracts.lifecycle.champion import CHAMPION, POINTER
from stages.files import atomic_path

KEYS = ("md5", "size", "nfiles", "hash", "path")  # as `dvc add` writes them, so that a pointer has the bytes that it had


def track() -> dict[str, Any]:
    """Let DVC track the folder: its cache has the files from now on. Returns what the pointer says of them.

    Raises ValueError with DVC's words.
    """
    failed = _failed("dvc", "add", str(CHAMPION))
    if failed is not None:
        back = f"; `dvc checkout --force {POINTER}` brings the champion before it back" if POINTER.is_file() else ""
        raise ValueError(f"{CHAMPION} is written, but `dvc add` failed: {failed}{back}")
    return tracked()


def tracked() -> dict[str, Any]:
    """The digest by which DVC finds the files, their number and size; empty without a pointer."""
    return dict(yaml.safe_load(POINTER.read_text())["outs"][0]) if POINTER.is_file() else {}


def restore(pointer: dict[str, Any]) -> None:
    """Write the pointer, and bring its files out of DVC's cache or, if they are not there, from the remote.

    Raises ValueError with DVC's words; the pointer and the files are then those of before.
    """
    before = POINTER.read_bytes() if POINTER.is_file() else None
    ordered = {name: pointer[name] for name in KEYS if name in pointer} | pointer
    _write(yaml.safe_dump({"outs": [ordered]}, sort_keys=False).encode())
    if _failed("dvc", "checkout", "--force", str(POINTER)) is None:
        return
    failed = _failed("dvc", "pull", "--force", str(POINTER))
    if failed is not None:
        if before is None:
            POINTER.unlink()
        else:
            _write(before)
            _failed("dvc", "checkout", "--force", str(POINTER))
        raise ValueError(f"its files are neither in DVC's cache nor in the remote: {failed}")


def to_commit(message: str) -> str:
    return f'to keep it: git add {POINTER} && git commit -m "{message}"'


def committed(message: str) -> str:
    """Commit the pointer alone, if it has changed; what else is staged stays so. Raises ValueError with git's words."""
    _or_raise(message, "git", "add", str(POINTER))
    if _failed("git", "diff", "--cached", "--quiet", "--", str(POINTER)) is None:
        return f"{POINTER} is committed already"
    _or_raise(message, "git", "commit", "--quiet", "-m", message, "--", str(POINTER))
    return f"committed {POINTER}"


def _or_raise(message: str, *command: str) -> None:
    failed = _failed(*command)
    if failed is not None:
        words = f"the champion is written and tracked, but `{' '.join(command[:2])}` failed: {failed}"
        raise ValueError(f"{words}; {to_commit(message)}")


def has_remote() -> bool:
    """Does DVC know a place to copy the champion to."""
    found = subprocess.run(("dvc", "remote", "list"), capture_output=True, text=True, check=False)
    return not found.returncode and bool(found.stdout.strip())


def _write(content: bytes) -> None:
    with atomic_path(POINTER) as partial:
        partial.write_bytes(content)


def _failed(*command: str) -> str | None:
    """What a command printed that failed, on one line; None if it did not fail."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return " ".join((done.stderr or done.stdout).split()) if done.returncode else None
