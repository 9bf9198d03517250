"""Which files the source holds, and which partition each belongs to."""

import re
from pathlib import Path, PurePosixPath

import pyarrow.fs as pafs

from contracts.dataset.config_errors import ConfigError
from contracts.dataset.declaration import Declaration
from contracts.dataset.folders import Found, files_below, fits
from contracts.dataset.partitions import SHARED, in_order, partition_of
from contracts.dataset.served import none_yet
from contracts.dataset.source import Source
from stages.files import file_state


def list_source(source: Source) -> tuple[pafs.FileSystem, str, dict[str, list[int]]]:
    """The file system, the root in it, and of each file below the root that is not hidden, by its name, what changes if it
    does: size and time (ns), on this machine the inode too. Links are followed.

    Raises ConfigError if it cannot be listed.
    """
    try:
        if source.local is not None:
            if source.kind == "served" and not source.local.is_dir():
                raise ConfigError(none_yet(source.local))
            return pafs.LocalFileSystem(), *_list_local(source.local.resolve(), source.files)
        filesystem, root = pafs.FileSystem.from_uri(source.path)
        info = filesystem.get_file_info(root)
        if info.type == pafs.FileType.File:
            return filesystem, str(PurePosixPath(root).parent), {PurePosixPath(root).name: [info.size, info.mtime_ns]}
        found = filesystem.get_file_info(pafs.FileSelector(root, recursive=True))
        files = {str(PurePosixPath(i.path).relative_to(root)): i for i in found if i.type == pafs.FileType.File}
    except ConfigError:
        raise
    except (OSError, ValueError) as error:
        raise ConfigError(f"data.source.path '{source.path}' cannot be listed: {' '.join(str(error).split())}") from error
    shown = sorted(name for name in files if not any(part.startswith(".") for part in name.split("/")))
    return filesystem, root, {name: [files[name].size, files[name].mtime_ns] for name in shown}


def _list_local(root: Path, patterns: tuple[str, ...]) -> tuple[str, dict[str, list[int]]]:
    if not root.exists():
        raise FileNotFoundError(f"{root} does not exist")
    if root.is_file():
        return str(root.parent), {root.name: file_state(root)}
    found = files_below(root)
    _refuse_rows_twice([file for file in found if any(fits(file.name, pattern) for pattern in patterns)])
    return str(root), {file.name: file_state(file.path) for file in found}


def _refuse_rows_twice(found: list[Found]) -> None:
    """Raise ConfigError if a linked folder leads to rows that are read under another name too."""
    by_place: dict[Path, str] = {}
    for file in found if any(file.link is not None for file in found) else ():
        first = by_place.setdefault(file.path.resolve(), file.name)
        if first != file.name:
            raise ConfigError(
                f"{first} and {file.name} are the same file, by a linked folder, so its rows would count twice; "
                "remove the link, or let data.source.files match only one of them"
            )


def place_files(declaration: Declaration, names: list[str]) -> dict[str, list[str]]:
    """Which files go to which partition. Raises ConfigError if a glob matches nothing."""
    source = declaration.source
    month = re.compile(source.partition)
    images = (declaration.images.files,) if declaration.images else ()
    for patterns in (source.files, *((join.files,) for join in source.joins), *((image,) for image in images)):
        if not any(fits(name, pattern) for name in names for pattern in patterns):
            if source.kind == "served":
                raise ConfigError(none_yet(Path(source.served)) if patterns == source.files else no_images(declaration))
            globs = " or ".join(patterns)
            raise ConfigError(f"no file below '{source.path}' matches {globs}; correct it in conf/data/")
    wanted: dict[str, list[str]] = {}
    for name in names:
        if any(fits(name, join.files) for join in source.joins):
            wanted.setdefault(SHARED, []).append(name)
        elif any(fits(name, pattern) for pattern in source.files):
            wanted.setdefault(partition_of(name, month), []).append(name)
    # An image belongs to its partition if that has impressions, else to the first: later ones see it too.
    first = in_order((Path(name) for name in wanted if name != SHARED), source.order)[0].name
    for name in names:
        if any(fits(name, pattern) for pattern in images):
            partition = partition_of(name, month)
            wanted[partition if partition in wanted else first].append(name)
    return wanted


def no_images(declaration: Declaration) -> str:
    """What to say where rows were served and no image of theirs was kept."""
    return (
        f"{declaration.source.served} holds rows without any image ({declaration.images.files}), and data set {declaration.name} "
        "has images; set serving.journal.images to all, so that the journal keeps them, or data.images to null"
    )
