"""Which number an export has among the releases: both are told by the manifests of their models (`package.json`)."""

import hashlib
import json
from pathlib import Path
from typing import Any

EXPORTED = Path("artifacts/repository/embedded")  # what stage export writes for `make serve` and `make deploy`
MANIFEST = "package.json"  # in every version folder: sha-256 of each file in it
EXPORT_MANIFEST = "manifest.json"  # of the graphs, beside them
PUBLIC = "ctr"  # the model that makes a release complete
EXPORTED_VERSION = "1"


def releases(store: Path) -> list[int]:
    """Numbers of the complete releases in the store, ascending."""
    folders = (store / PUBLIC).glob("*") if (store / PUBLIC).is_dir() else ()
    return sorted(int(path.name) for path in folders if path.name.isdigit())


def release_number(store: Path, exported: Path) -> int | None:
    """The number that the exported repository has in the store; None if it was not released yet."""
    known = {identity(store, str(number)): number for number in releases(store)}
    return known.get(identity(exported, EXPORTED_VERSION))


def identity(folder: Path, version: str) -> str:
    """Digest over the manifests of all models of a release."""
    digest = hashlib.sha256()
    for path in sorted(folder.glob(f"*/{version}/{MANIFEST}")):
        digest.update(f"{path.parts[-3].removesuffix(f'_{version}')}\0".encode() + path.read_bytes())
    return digest.hexdigest()


def model_of(repository: Path, version: str = EXPORTED_VERSION) -> str | None:
    """sha-256 of the manifest of the export that a version of the repository was made from; None if it does not say."""
    path = repository / PUBLIC / version / MANIFEST
    digest = json.loads(path.read_bytes()).get("files", {}).get(EXPORT_MANIFEST) if path.is_file() else None
    return None if digest is None else str(digest)


def data_of(repository: Path, version: str = EXPORTED_VERSION) -> dict[str, str]:
    """sha-256 of each file that the model was trained and judged on, by its name; empty if the export does not say."""
    path = repository / PUBLIC / version / EXPORT_MANIFEST
    manifest: dict[str, Any] = json.loads(path.read_bytes()) if path.is_file() else {}
    return dict(manifest.get("data", {}))
