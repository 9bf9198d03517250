"""Stage acquire: brings the source's raw bytes to `data/raw/<partition>/` and simulated truth to `data/truth/`.

A partition that is there already with the same bytes (or was simulated from the same code, libraries and knobs) is left alone.
"""

if __name__ == "__main__":  # before the imports below, which take their time
    from contracts.terminal import end_on_ctrl_c

    end_on_ctrl_c()

import hashlib
import json
import shutil
from dataclasses import asdict
from pathlib import Path

import pyarrow.fs as pafs
from tqdm import tqdm

from contracts.dataset.declaration import Declaration
from contracts.dataset.partitions import SHARED
from contracts.dataset.served import as_read
from stages.entry import run_stage
from stages.files import keep_only, read_json, sha256_code, sha256_file, sha256_tree, write_json
from stages.listing import list_source, place_files
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
    declaration = as_read(load_section("data", Declaration))
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


if __name__ == "__main__":
    run_stage(main)
