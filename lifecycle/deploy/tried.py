"""Brings in a release that was tried beside what is served, on the evidence of its rollout, and makes it the champion."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from contracts.serving.release_log import Entry, read
from contracts.serving.releases import EXPORTED, EXPORTED_VERSION, data_of, identity
from lifecycle.deploy.champion import exported_model, read_champion
from lifecycle.deploy.newest import make_champion, serve
from lifecycle.deploy.server import RunningServer
from serving.releases.store import Store
from serving.server.switch import switch


def bring_in_tried(
    server: RunningServer, version: int, before: int, evidence: Mapping[str, Any], reasons: Sequence[str], why: str | None
) -> None:
    """Have the challenger `version` serve in the place of `before`. What was done of it, before a crash, is not done again.

    `evidence`: what releases.jsonl keeps of the rollout, beside what was known when the release came into the store. `why`: a
    user wants it, whatever the evidence says. Raises ValueError if it does not load; the version before goes on.
    """
    store, tried = server.store, exported_model(server.store.folder, str(version))
    if store.active() != version:
        stored = stored_entry(server.store, version)
        entry = Entry(
            event="release",
            model=tried.model,
            release=tried.release,
            version=version,
            before=before,
            champion=stored.get("champion"),
            data=data_of(store.folder, str(version)),
            evidence={**stored.get("evidence", {}), **evidence},
            reasons=tuple(reasons),
            forced_because=why,
        )
        serve(server, entry)
    elif not server.serves(version):
        switch(store, server.admin, version)


def crown(server: RunningServer, version: int, why: str | None, trainings: Path) -> None:
    """Make the release that is served the champion, unless it is. Raises ValueError if that failed: it is served all the same.

    One that came into the store although the evidence was against it becomes champion for the same reason.
    """
    if read_champion() != exported_model(server.store.folder, str(version)):
        forced_because = why or stored_entry(server.store, version).get("forced_because")
        make_champion(version, forced_because, folder_of(server.store, version, trainings))


def folder_of(store: Store, version: int, trainings: Path) -> Path | None:
    """The project folder below `trainings` whose newest export the release is; None if it is this folder's, or nobody's."""
    release = identity(store.folder, str(version))
    if identity(EXPORTED, EXPORTED_VERSION) == release:
        return None
    folders = sorted(path for path in trainings.glob("*") if (path / EXPORTED).is_dir())
    return next((path for path in folders if identity(path / EXPORTED, EXPORTED_VERSION) == release), None)


def stored_entry(store: Store, version: int) -> dict[str, Any]:
    """The line of releases.jsonl by which it came into the store, the newest; empty if there is none."""
    lines = [line for line in read(store.folder)[0] if line["version"] == version]
    return next((line for line in reversed(lines) if line["event"] in ("stored", "release")), {})
