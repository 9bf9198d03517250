"""What an exported model is made of: digests of its files, of the data, of the code, and the parameters."""

from pathlib import Path
from typing import Any

from stages.files import sha256_code, sha256_file

CODE = tuple(
    Path(name)
    for name in (
        "contracts",
        "stages/features",
        "stages/models",
        "stages/exporting",
        "stages/warm_start",
        "stages/validate.py",
        "stages/split.py",
        "stages/cutting.py",
        "stages/row_weights.py",
        "stages/inherit.py",
        "stages/fit.py",
        "stages/encode.py",
        "stages/train.py",
        "stages/export.py",
        "serving/triton",
    )
)
SECTIONS = ("seed", "data", "validate", "features", "model", "train", "trainer", "export")


def manifest(
    folder: Path, params: dict[str, Any], split_dir: Path, side_tables: dict[str, str], code: tuple[Path, ...]
) -> dict[str, Any]:
    """Digests (sha-256) by name. The data's location and the machine do not enter."""
    return {
        "format": 1,
        "files": {path.name: sha256_file(path) for path in sorted(folder.iterdir())},
        "data": {path.name: sha256_file(path) for path in sorted(split_dir.glob("*.parquet"))},
        "side_tables": side_tables,
        "params": {name: params[name] for name in SECTIONS},
        "code": sha256_code(code),
    }
