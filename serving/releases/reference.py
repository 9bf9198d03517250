"""What a release is held against while it serves: the profile of its training rows, and what `evaluate` promised of it."""

import json
from pathlib import Path
from typing import Any

from contracts.serving.releases import PUBLIC


def read_profile(store: Path, release: int) -> dict[str, Any] | None:
    """The profile in the version folder of `ctr`; None if the release has none of format 2."""
    path = store / PUBLIC / str(release) / "profile.json"
    profile: dict[str, Any] | None = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None
    return profile if profile is not None and profile.get("format") == 2 else None
