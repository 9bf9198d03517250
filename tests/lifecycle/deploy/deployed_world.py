"""A champion, and what the log says, as far as a deployment looks at them."""

import json
from pathlib import Path

from contracts.serving.release_log import read
from serving.releases.store import Store


def served_as(project: Path, model: str) -> None:
    """The champion's repository, as far as a deployment looks at it."""
    path = project / "champion/model/repository/embedded/ctr/1/package.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"files": {"manifest.json": model}}))


def events(store: Store) -> list[tuple]:
    return [(entry["event"], entry["version"], entry["before"]) for entry in read(store.folder)[0]]
