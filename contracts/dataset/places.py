"""What the place of a file says of its columns: whether they began later than its month."""

import re
from pathlib import Path

from contracts.dataset.declaration import Declaration
from contracts.dataset.partitions import ALL, is_before, nearest_partition


def early_columns(path: Path, declaration: Declaration, root: Path | None) -> frozenset[str]:
    """Names of the columns that began after the month of the file.

    `root` is the folder of a partition, whose name it has. Without it the file lies anywhere and its path tells; one that names
    no month is as new as can be. Raises SourceError if nobody can tell whether a month is before another.
    """
    late = {column.name: column.since for column in declaration.columns if column.since is not None}
    if not late:
        return frozenset()
    source = declaration.source
    partition = nearest_partition(path, re.compile(source.partition)) if root is None else root.name
    if root is None and (partition == ALL or (source.order and partition not in source.order)):
        return frozenset()
    return frozenset(name for name, since in late.items() if is_before(partition, since, source.order))
