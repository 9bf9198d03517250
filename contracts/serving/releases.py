"""Which number an export has among the releases: both are told by the manifests of their models (`package.json`)."""

import hashlib
from pathlib import Path

MANIFEST = "package.json"  # in every version folder: sha-256 of each file in it
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
