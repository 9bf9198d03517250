"""artifacts/inherited/: what a training takes over from the champion. Stage inherit writes it, fit and train read it."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from stages.files import read_json, write_json

FOLDER = Path("artifacts/inherited")
SCRATCH, CHAMPION = "scratch", "champion"
ENCODER, FEATURES, DESCRIBED, WEIGHTS = "encoder.onnx", "features.json", "model.json", "weights.safetensors"
FILES = (ENCODER, FEATURES, DESCRIBED, WEIGHTS)  # of the champion's export
START, STARTED_FROM = "start.json", "started_from"  # the latter is a key of model.json


@dataclass(frozen=True, kw_only=True)
class Origin:
    """The champion that a training starts from."""

    champion: str  # sha-256 of its export's manifest
    learned_until: str  # time of the latest row that it, or a model it was started from, was fitted to


@dataclass(frozen=True, kw_only=True)
class Inherited:
    """The files of a champion, ready to start from."""

    folder: Path
    origin: Origin

    @property
    def paths(self) -> list[Path]:
        """All files, for digests."""
        return [self.folder / name for name in (*FILES, START)]

    def features(self) -> dict[str, Any]:
        """What its encoder's columns mean."""
        found: dict[str, Any] = read_json(self.folder / FEATURES)
        return found


def write_start(folder: Path, origin: Origin | None) -> None:
    """Write start.json: where the training starts."""
    write_json(folder / START, {"start": SCRATCH} if origin is None else {"start": CHAMPION, **asdict(origin)})


def read_inherited(start: str, folder: Path = FOLDER) -> Inherited | None:
    """What `train.start` says to start from; None, and no file is looked at, if that is scratch.

    Raises ValueError if stage inherit has not run since the setting was changed.
    """
    if start == SCRATCH:
        return None
    found = read_json(folder / START) if (folder / START).is_file() else {}
    if found.pop("start", None) != CHAMPION:
        raise ValueError(f"train.start is {start}, but {folder} holds no champion's weights; run the stage `inherit` first")
    return Inherited(folder=folder, origin=Origin(**found))
