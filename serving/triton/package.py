"""A released model's folder: which files belong to it, and whether they are still what was exported."""

import hashlib
import json
import re
from pathlib import Path
from typing import Any

MANIFEST = "package.json"
DIGEST = re.compile("[0-9a-f]{64}")


def open_version(args: dict[str, str]) -> tuple[Path, dict[str, Any]]:
    """Folder and settings of the version that Triton initialises with `args`.

    Raises TritonModelException if a file of it was changed: the version is not loaded then.
    """
    folder = Path(args["model_repository"]) / args["model_version"]
    try:
        check_package(folder)
    except ValueError as error:
        import triton_python_backend_utils as pb_utils  # there inside Triton only; the store checks packages too

        raise pb_utils.TritonModelException(str(error)) from None
    return folder, read_json(folder / "request.json")


def listed_digest(folder: Path, name: str) -> str | None:
    """The sha-256 of a file of a version's package; None if it has no such file."""
    digest: str | None = read_json(folder / MANIFEST)["files"].get(name)
    return digest


def read_json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def check_package(folder: Path) -> dict[str, Any]:
    """The package's manifest. Raises ValueError if a file of it is missing, changed or not listed.

    serving/native/package.c does the same for the model that it loads.
    """
    if not (folder / MANIFEST).is_file():
        raise ValueError(f"{folder.name}/{MANIFEST} is missing; export the model again")
    manifest = _read_manifest(folder / MANIFEST)
    present = {
        path.relative_to(folder).as_posix(): path
        for path in folder.rglob("*")
        if (path.is_symlink() or not path.is_dir()) and path != folder / MANIFEST and "__pycache__" not in path.parts
    }
    for name, expected in manifest["files"].items():
        if name not in present:
            raise ValueError(f"{name} is missing, though {MANIFEST} lists it; export the model again")
        if not present[name].is_file():
            raise ValueError(f"{name} is no file, though {MANIFEST} lists it; export the model again")
        found = hashlib.sha256(present[name].read_bytes()).hexdigest()
        if found != expected:
            raise ValueError(
                f"{name} was changed after the export: its sha-256 is {found[:12]}, {MANIFEST} says {expected[:12]}; "
                "export the model again"
            )
    stray = sorted(set(present) - set(manifest["files"]))
    if stray:
        raise ValueError(f"{stray[0]} is not listed in {MANIFEST}; export the model again")
    return manifest


def _read_manifest(path: Path) -> dict[str, Any]:
    """{"files": {name: sha-256}}, and nothing else. Raises ValueError if it is something else, such as half of one."""
    try:
        manifest = read_json(path)
    except (ValueError, RecursionError):
        manifest = None
    files = manifest.get("files") if isinstance(manifest, dict) and manifest.keys() == {"files"} else None
    if not isinstance(files, dict) or not all(isinstance(digest, str) and DIGEST.fullmatch(digest) for digest in files.values()):
        raise ValueError(f"{path.name} is not the list of files that the export writes; export the model again")
    if not files:
        raise ValueError(f"{path.name} lists no file; export the model again")
    return manifest
