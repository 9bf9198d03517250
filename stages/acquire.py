"""Stage acquire: brings the source's raw bytes to `data/raw/<partition>/` and simulated truth to `data/truth/`.

A partition that is there already with the same bytes (or was simulated from the same code, libraries and knobs) is left alone.
"""

import hashlib
import json
import re
import shutil
from dataclasses import asdict
from fnmatch import fnmatch
from pathlib import Path, PurePosixPath

import pyarrow.fs as pafs
from tqdm import tqdm

from contracts.dataset.config_errors import ConfigError
from contracts.dataset.declaration import Declaration
from contracts.dataset.partitions import SHARED, in_order
from contracts.dataset.source import Source
from stages.entry import run_stage
from stages.files import keep_only, read_json, sha256_code, sha256_file, sha256_tree, write_json
from stages.overlap import side_by_side
from stages.settings import load_section
from stages.simulate.config import ExchangeConfig

RAW_DIR = Path("data/raw")
TRUTH_DIR = Path("data/truth")
COPIES_AT_ONCE = 16  # a copy from object storage waits most of its time
COPIED = Path(".checkpoints/acquire.json")  # what was copied from where; of this machine, so not among the outputs
STAMP = ".simulated.json"  # what a simulated partition was made from
ROOT = Path(__file__).parents[1]
SIMULATOR_CODE = tuple(
    ROOT / name for name in ("contracts/tables/parquet.py", "stages/files.py", "stages/parquet.py", "stages/simulate")
)
LIBRARIES = ("numpy", "pillow", "polars", "pyarrow")  # that draw and write what is simulated


def main() -> None:
    declaration = load_section("data", Declaration)
    if declaration.source.kind == "exchange":
        config = load_section("exchange", ExchangeConfig)
        made = simulate_months(config, RAW_DIR, TRUTH_DIR)
        kept = set(config.months)
    else:
        kept, made = copy_files(declaration, RAW_DIR, COPIED)
    keep_only(RAW_DIR, kept)
    keep_only(TRUTH_DIR, {f"{month}.parquet" for month in kept} if declaration.source.kind == "exchange" else set())
    print(f"acquire: {len(kept - {SHARED})} partitions of {declaration.name}, {made} new or changed")


def simulate_months(config: ExchangeConfig, raw_dir: Path, truth_dir: Path) -> int:
    """Simulate the months that are not there yet; return how many were made."""
    from stages.simulate.write import write_month

    knobs = {key: value for key, value in asdict(config).items() if key != "months"}
    made_from = hashlib.sha256(json.dumps([knobs, sha256_code(SIMULATOR_CODE, LIBRARIES)], sort_keys=True).encode()).hexdigest()
    made = 0
    for month in tqdm(config.months, desc="simulate", unit="month", disable=None):
        stamp = raw_dir / month / STAMP
        if _is_current(raw_dir / month, truth_dir / f"{month}.parquet", made_from):
            continue
        stamp.unlink(missing_ok=True)
        write_month(config, month=month, raw_dir=raw_dir, truth_dir=truth_dir)
        write_json(stamp, _stamp(raw_dir / month, truth_dir / f"{month}.parquet", made_from))
        made += 1
    return made


def _is_current(folder: Path, truth: Path, made_from: str) -> bool:
    stamp = folder / STAMP
    if not stamp.is_file() or not truth.is_file():
        return False
    return read_json(stamp) == _stamp(folder, truth, made_from)


def _stamp(folder: Path, truth: Path, made_from: str) -> dict[str, str]:
    return {"made_from": made_from, "content": sha256_tree(folder, skip=STAMP), "truth": sha256_file(truth)}


def copy_files(declaration: Declaration, raw_dir: Path, stamp: Path) -> tuple[set[str], int]:
    """Copy the declared files, partition by partition; return the partitions and how many changed.

    A partition is left alone if its files at the source have the names, sizes and times they had when it was copied, and
    the copy is as it was, by what `stamp` says: a new month costs one month, from a bucket too.
    """
    filesystem, root, files = list_source(declaration.source)
    wanted = place_files(declaration, list(files))
    before = read_json(stamp) if stamp.is_file() else {}
    changed, now = 0, {}
    for partition, members in sorted(wanted.items()):
        final, fresh = raw_dir / partition, raw_dir / f".new-{partition}"
        source = {"root": f"{filesystem.type_name} {root}", "files": {name: files[name] for name in members}}
        known = before.get(partition)
        if known is not None and known["source"] == source and final.is_dir() and known["content"] == sha256_tree(final):
            now[partition] = known
            continue
        shutil.rmtree(fresh, ignore_errors=True)
        copied = side_by_side(lambda name, to=fresh: copy_file(filesystem, f"{root}/{name}", to / name), members, COPIES_AT_ONCE)
        for _ in tqdm(copied, desc=f"acquire {partition}", total=len(members), unit="file", disable=None):
            pass
        content = sha256_tree(fresh)
        if final.is_dir() and sha256_tree(final) == content:
            shutil.rmtree(fresh)
        else:
            shutil.rmtree(final, ignore_errors=True)
            fresh.rename(final)
            changed += 1
        now[partition] = {"source": source, "content": content}
        write_json(stamp, before | now)  # a run that is killed later need not copy this one again
    write_json(stamp, now)
    return set(wanted), changed


def copy_file(filesystem: pafs.FileSystem, name: str, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    pafs.copy_files(name, str(target.resolve()), filesystem, pafs.LocalFileSystem())


def list_source(source: Source) -> tuple[pafs.FileSystem, str, dict[str, list[int]]]:
    """The file system, the root in it, and size and time (ns) of each file below the root that is not hidden, by its name.

    Raises ConfigError if it cannot be listed.
    """
    try:
        uri = source.path if "://" in source.path else str(Path(source.path).resolve())
        filesystem, root = pafs.FileSystem.from_uri(uri)
        info = filesystem.get_file_info(root)
        if info.type == pafs.FileType.File:
            return filesystem, str(PurePosixPath(root).parent), {PurePosixPath(root).name: [info.size, info.mtime_ns]}
        found = filesystem.get_file_info(pafs.FileSelector(root, recursive=True))
        files = {str(PurePosixPath(i.path).relative_to(root)): i for i in found if i.type == pafs.FileType.File}
    except (OSError, ValueError) as error:
        why = "a file's name below it is not UTF-8" if isinstance(error, UnicodeDecodeError) else " ".join(str(error).split())
        raise ConfigError(f"data.source.path '{source.path}' cannot be listed: {why}") from error
    shown = sorted(name for name in files if not any(part.startswith(".") for part in name.split("/")))
    return filesystem, root, {name: [files[name].size, files[name].mtime_ns] for name in shown}


def place_files(declaration: Declaration, names: list[str]) -> dict[str, list[str]]:
    """Which files go to which partition. Raises ConfigError if a glob matches nothing."""
    source = declaration.source
    month = re.compile(source.partition)
    images = (declaration.images.files,) if declaration.images else ()
    for patterns in (source.files, *((join.files,) for join in source.joins), *((image,) for image in images)):
        if not any(_matches(name, pattern) for name in names for pattern in patterns):
            globs = " or ".join(patterns)
            raise ConfigError(f"no file below '{source.path}' matches {globs}; correct it in conf/data/")
    wanted: dict[str, list[str]] = {}
    for name in names:
        if any(_matches(name, join.files) for join in source.joins):
            wanted.setdefault(SHARED, []).append(name)
        elif any(_matches(name, pattern) for pattern in source.files):
            wanted.setdefault(partition_of(name, month), []).append(name)
    # An image belongs to its partition if that has impressions, else to the first: later ones see it too.
    first = in_order((Path(name) for name in wanted if name != SHARED), source.order)[0].name
    for name in names:
        if any(_matches(name, pattern) for pattern in images):
            partition = partition_of(name, month)
            wanted[partition if partition in wanted else first].append(name)
    return wanted


def partition_of(name: str, month: re.Pattern[str]) -> str:
    """What the expression finds in a file's name, its groups joined by a dash; "all" if it finds nothing."""
    found = month.search(name)
    groups = [group for group in found.groups() or (found[0],) if group] if found else []
    return "-".join(groups).replace("/", "-") or "all"


def _matches(name: str, pattern: str) -> bool:
    """As pathlib's glob: a star does not cross folders, ** does."""
    if "**/" in pattern and _matches(name, pattern.replace("**/", "", 1)):
        return True
    return fnmatch(name, pattern) and (pattern.count("/") == name.count("/") or "**" in pattern)


if __name__ == "__main__":
    run_stage(main)
