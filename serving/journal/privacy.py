"""What the server tells its models of columns that the journal does not keep as they came, and the key of the hashes."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from contracts.dataset.computed import OPERATIONS
from contracts.dataset.ranges import expand_ranges
from contracts.serving.config import JournalConfig
from contracts.serving.journal import SCHEMA
from contracts.serving.releases import PUBLIC
from serving.secret_file import secret_of
from serving.triton.environment import JOURNAL_PRIVACY
from serving.triton.journal.privacy import AS_IS, IMAGE, KEYED_HASH, check_columns, read_key

NO_KEY = "-"


def privacy_variable(config: JournalConfig, version: Path | None) -> dict[str, str]:
    """What the environment says; nothing if everything is kept as it came. Makes the key's file if it is needed and missing.

    `version` is the folder of the release that is to be served. Raises ValueError if it has not the columns that are named, or
    the key cannot be used.
    """
    columns = {name: hiding for name, hiding in config.columns.items() if hiding != AS_IS}
    if version is not None:
        _check(config.columns, version)
    if not columns and config.caller_key == AS_IS:
        return {}
    path = NO_KEY
    if KEYED_HASH in (config.caller_key, *columns.values()):
        path = str(Path(config.key_file).resolve())
        journal_key(Path(path))
    words = (f"{json.dumps(name, ensure_ascii=False)[1:-1].encode().hex()} {hiding}" for name, hiding in columns.items())
    return {JOURNAL_PRIVACY: " ".join([config.caller_key, str(len(columns)), *words, path])}


def journal_key(path: Path) -> bytes:
    """The key of the hashes, made with mode 0600 if it is missing. Raises ValueError if it cannot be used."""
    try:
        secret_of(path)
    except OSError as error:
        raise ValueError(f"the journal's key cannot be used (serving.journal.key_file): {error}") from None
    return read_key(path)


def _check(columns: Mapping[str, str], version: Path) -> None:
    schema = _schema(version)
    if schema is None or not columns:
        return
    check_columns(columns, schema)
    creative = _creative(version)
    hidden = columns.get(creative or "", AS_IS)
    if hidden != AS_IS and IMAGE in schema["ids"] and columns.get(IMAGE, AS_IS) == AS_IS:
        raise ValueError(
            f"serving.journal.columns: '{creative}' is not kept as it came, but the id and the digest of its image would say "
            f"which one it is; add {IMAGE}: drop"
        )
    for name, made_of in _computed(version).items():
        told_by = next((one for one in made_of if columns.get(one, AS_IS) != AS_IS), None)
        if told_by is not None and name in schema["ids"] and columns.get(name, AS_IS) == AS_IS:
            raise ValueError(
                f"serving.journal.columns: '{told_by}' is not kept as it came, but the id of '{name}', which the model computes "
                f"of it, would say what it was; add {name}: drop"
            )


def _schema(version: Path) -> dict[str, Any] | None:
    """Of a release; None if it was exported before there was a journal, and so cannot be written to one."""
    if (version / SCHEMA).is_file():
        found: dict[str, Any] = json.loads((version / SCHEMA).read_text(encoding="utf-8"))
        return found
    settings = version / "request.json"
    return json.loads(settings.read_text(encoding="utf-8")).get("journal") if settings.is_file() else None


def _declared(version: Path) -> list[dict[str, Any]]:
    path = version / "declaration.json"
    return expand_ranges(json.loads(path.read_text(encoding="utf-8"))["columns"]) if path.is_file() else []


def _creative(version: Path) -> str | None:
    """The column that says which creative it is."""
    return next((column["name"] for column in _declared(version) if column["role"] == "creative"), None)


def _computed(version: Path) -> dict[str, tuple[str, ...]]:
    """Of each column that the model computes, the columns that it is made of."""
    return {column["name"]: tuple(column[key]) for column in _declared(version) for key in OPERATIONS if column.get(key)}


def version_folder(store: Path, version: int | None) -> Path | None:
    return None if version is None else store / PUBLIC / str(version)
