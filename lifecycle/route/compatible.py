"""Can two releases stand behind one door: a request is made for the champion, and the challenger may have to answer it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from google.protobuf import text_format
from tritonclient.grpc.model_config_pb2 import ModelConfig

from contracts.serving.releases import PUBLIC
from contracts.serving.request import CATEGORICAL, NUMERIC

KINDS = (CATEGORICAL, NUMERIC)


@dataclass(frozen=True, kw_only=True)
class Taken:
    """What a release takes in a request."""

    declaration: str
    backend: str
    creative: str  # the column that names creatives with images; empty if there is none
    names: Mapping[str, list[str]]  # tensor -> its columns, in order
    columns: Mapping[str, dict[str, Any]]  # what the declaration says of each


def refuse_other_tensors(store: Path, champion: int, challenger: int) -> None:
    """Raise ValueError unless the challenger takes the champion's requests, where all that they lack may be missing."""
    ours, theirs = taken_by(store, champion), taken_by(store, challenger)
    reason = _difference(ours, theirs)
    if reason is not None:
        raise ValueError(
            f"release {challenger} cannot answer requests made for release {champion}: {reason}; "
            "`make deploy` brings it in without a rollout"
        )


def taken_by(store: Path, version: int) -> Taken:
    """Of a release, by the config that it was released with."""
    path = store / PUBLIC / str(version) / "release/config.pbtxt"
    config = text_format.Parse(path.read_text(), ModelConfig())
    said = {key: value.string_value for key, value in config.parameters.items()}
    return Taken(
        declaration=said["declaration"],
        backend=config.backend,
        creative=said["creative_column"],
        names={kind: json.loads(said[f"{kind}_columns"]) for kind in KINDS},
        columns={column["name"]: column for column in json.loads(said["columns"])},
    )


def _difference(ours: Taken, theirs: Taken) -> str | None:
    """Why the second does not take what the first does; None if it does."""
    if ours.backend != theirs.backend:
        return f"its `ctr` runs in Triton's backend {theirs.backend}, the champion's in {ours.backend}"
    if ours.declaration == theirs.declaration:
        return None
    if ours.creative != theirs.creative:
        return f"its creatives are in column '{theirs.creative}', the champion's in '{ours.creative}'"
    for kind in KINDS:
        asked, sent = theirs.names[kind], ours.names[kind]
        if lacking := [name for name in sent if name not in asked]:
            return f"it takes no {kind} column '{lacking[0]}'"
        if [name for name in asked if name in sent] != sent:
            return f"it takes the {kind} columns in another order"
        if needed := [name for name in asked if name not in sent and not theirs.columns[name].get("nullable", False)]:
            return f"it needs the {kind} column '{needed[0]}', which they do not have and which is not nullable"
    return _another_rule(ours, theirs)


def _another_rule(ours: Taken, theirs: Taken) -> str | None:
    """A column that may be missing in the champion's requests only, or means something else."""
    for name in (name for kind in KINDS for name in ours.names[kind]):
        before, after = ours.columns[name], theirs.columns[name]
        if before.get("nullable", False) and not after.get("nullable", False):
            return f"column '{name}' may not be missing there"
        for key in ("dtype", "role"):
            if before.get(key) != after.get(key):
                return f"column '{name}' has {key} {after.get(key)}, the champion's {before.get(key)}"
    return None
