"""What the place of a file says of its columns: whether they began later than its month, and values in names of folders."""

import re
from pathlib import Path
from urllib.parse import unquote

from contracts.dataset.declaration import Declaration
from contracts.dataset.partitions import ALL, is_before, nearest_partition
from contracts.dataset.source import SourceError

NOTHING = ("", "__HIVE_DEFAULT_PARTITION__")  # what a folder's name says of a missing value


def early_columns(path: Path, declaration: Declaration, root: Path | None) -> frozenset[str]:
    """Names of the columns that began after the month of the file.

    `root` is the folder of a partition, whose name it has. Without it the file lies anywhere and its path tells; one that names
    no month is as new as can be. Raises SourceError if nobody can tell whether a month is before another.
    """
    late = {column.name: column.since for column in declaration.written if column.since is not None}
    if not late:
        return frozenset()
    source = declaration.source
    partition = nearest_partition(path, re.compile(source.partition)) if root is None else root.name
    if root is None and (partition == ALL or (source.order and partition not in source.order)):
        return frozenset()
    return frozenset(name for name, since in late.items() if is_before(partition, since, source.order))


def folder_values(path: Path, declaration: Declaration, root: Path | None, optional: frozenset[str]) -> dict[str, str | None]:
    """By column, what the folders in the path say of those that are declared so, None where that is missing.

    Only folders below `root` count, where it is given; `optional` columns may be nowhere. Raises SourceError where a folder is
    not there or is there twice, or has a name that cannot be read.
    """
    wanted = {column.folder: column.name for column in declaration.written if column.folder is not None}
    folders = (path.absolute() if root is None else path.relative_to(root)).parent.parts if wanted else ()
    found: dict[str, str | None] = {}
    for folder, _, value in (_decoded(path, part).partition("=") for part in folders if "=" in part):
        name = wanted.get(folder)
        if name in found:
            raise SourceError(
                f"{path} lies in two folders '{folder}=', from which column '{name}' has its value; name one otherwise"
            )
        if name is not None:
            found[name] = None if value in NOTHING else value
    lacking = next(((folder, name) for folder, name in wanted.items() if name not in found and name not in optional), None)
    if lacking is not None:
        folder, name = lacking
        raise SourceError(
            f"{path} lies in no folder '{folder}=...', from which column '{name}' has its value; move it there, or take folder "
            "away from the column if the files hold it"
        )
    return found


def _decoded(path: Path, part: str) -> str:
    """`name=value` with the bytes that are written %2F and such; a slash of a value is no end of it."""
    try:
        return unquote(part, errors="strict")
    except UnicodeDecodeError:
        raise SourceError(f"{path}: the folder '{part}' has bytes after % that are no UTF-8; give it another name") from None
