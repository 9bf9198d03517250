"""Stage validate: reads `data/raw/<partition>/`, writes clean rows to `data/clean/<partition>/` and rejected ones to
`data/quarantine/<partition>.csv`, and `reports/validation.json`. Clean plus quarantined is raw, always.

Partitions are independent: one whose raw files, images, declaration, code and libraries are unchanged is not read again.
"""

if __name__ == "__main__":  # before the imports below, which take their time
    from contracts.terminal import end_on_ctrl_c

    end_on_ctrl_c()

import hashlib
import json
import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import polars as pl
from tqdm import tqdm

from contracts.dataset.declaration import Declaration
from contracts.dataset.partitions import SHARED, matching, partitions
from contracts.dataset.served import as_read
from contracts.dataset.source import SourceError
from contracts.tables.chunk import ROW, Chunk
from contracts.tables.contract import Contract, contract_of
from contracts.tables.joins import SideTable
from contracts.tables.parquet import ParquetRows
from contracts.tables.parsing import dtype_of
from contracts.tables.raw import main_columns, read_partition, side_tables
from contracts.tables.rejected import REJECTED
from stages.config import ValidateConfig
from stages.entry import run_stage
from stages.files import (
    atomic_folder,
    atomic_path,
    keep_only,
    read_json,
    sha256_code,
    sha256_file,
    sha256_tree,
    write_json,
)
from stages.images.folder import ImageFiles, by_name
from stages.images.once import OncePerContent
from stages.images.table import creatives_in, write_images
from stages.overlap import WriteBehind, read_ahead, side_by_side
from stages.quarantine import QUARANTINE_DIR, check_joins, check_share
from stages.settings import load_section

RAW_DIR = Path("data/raw")
CLEAN_DIR = Path("data/clean")
REPORT_PATH = Path("reports/validation.json")
AT_ONCE = 2  # partitions checked side by side
STAMP = "report.json"  # of a clean partition: what it was made from, its digests and counts
ROOT = Path(__file__).parents[1]
CODE = tuple(
    ROOT / name for name in ("contracts/dataset", "contracts/tables", "stages/files.py", "stages/images", "stages/validate.py")
)
LIBRARIES = ("pandera", "polars", "pyarrow")  # that read, check and write


@dataclass(frozen=True)
class Partition:
    """A partition of raw data about to be checked, or found unchanged."""

    folder: Path
    made_from: str  # fingerprint of its inputs
    known: frozenset[str]  # creatives with an image, here or in an earlier partition
    images: Path | None = None  # its own, written
    unreadable: tuple[str, ...] | list[str] = ()  # images that are none: file and reason
    counts: dict[str, Any] | None = None  # what was counted when its outputs were made, if they still are as they were


def main() -> None:
    pl.Config.set_engine_affinity("in-memory")  # pandera asks many small questions; streaming each takes 12 times as long
    config = load_section("validate", ValidateConfig)
    declaration = as_read(load_section("data", Declaration))
    folders = partitions(RAW_DIR, declaration.source.order)
    tables = side_tables(RAW_DIR / SHARED, declaration)
    keep_only(CLEAN_DIR, {folder.name for folder in folders})
    keep_only(QUARANTINE_DIR, {f"{folder.name}.csv" for folder in folders})
    names = [folder.name for folder in folders]
    with TemporaryDirectory(prefix=".images.", dir=CLEAN_DIR) as spool:
        work = side_by_side(
            lambda partition: validate_partition(partition, declaration, tables),
            prepared(folders, declaration, Path(spool)),
            AT_ONCE,
        )
        reports = dict(zip(names, tqdm(work, desc="validate", total=len(names), unit="partition", disable=None), strict=True))
    total = add_up(list(reports.values()))
    write_json(REPORT_PATH, {"months": reports, "total": total})
    for name, report in reports.items():
        check_share(name, report, config.max_share)
    check_joins(list(reports.values()))
    print(f"validate: {total['raw']} raw rows = {total['clean']} clean + {total['quarantined']} quarantined")


def prepared(folders: list[Path], declaration: Declaration, spool: Path) -> Iterator[Partition]:
    """The partitions in order, their images checked and written to `spool`; the creatives of earlier ones are known in later
    ones.
    """
    known: frozenset[str] = frozenset()
    once: OncePerContent[str | None] = OncePerContent()
    for folder in folders:
        made_from = fingerprint(folder, declaration, known)
        counts = counted_before(folder.name, made_from)
        if counts is None:
            images = spool / f"{folder.name}.parquet"
            own = ImageFiles(folder, declaration) if declaration.images is not None else None
            creatives, unreadable = keep_images(own, once, images) if own is not None else ([], [])
            known |= frozenset(creatives)
            yield Partition(folder, made_from, known, images, unreadable)
        else:
            known |= known_images(CLEAN_DIR / folder.name)
            yield Partition(folder, made_from, known, counts=counts)


def keep_images(images: ImageFiles, once: OncePerContent[str | None], path: Path) -> tuple[list[str], list[str]]:
    """Write the readable images to `path`; return their creatives, and file and reason of each of the others."""
    refused: list[tuple[str, str]] = []

    def good() -> Iterator[tuple[str, bytes]]:
        shown = images.checked(images.creatives(), once)
        for image in tqdm(shown, desc="images", unit="image", disable=None, leave=False):
            refused.extend(image.refused)
            if image.content is not None:
                yield image.creative_id, image.content

    return write_images(path, good()), by_name(refused)


def counted_before(name: str, made_from: str) -> dict[str, Any] | None:
    """Counts of a partition whose outputs were made from the same and are as they were, else None."""
    stamp = CLEAN_DIR / name / STAMP
    if not stamp.is_file():
        return None
    found = read_json(stamp)
    same = found.get("made_from") == made_from and found.get("made") == digests(stamp.parent, QUARANTINE_DIR / f"{name}.csv")
    return found["counts"] if same else None


def digests(clean: Path, quarantine: Path) -> dict[str, str]:
    """Sha-256 by name of all that a partition has become, but for the stamp that holds them."""
    paths = [path for path in (*sorted(clean.iterdir()), quarantine) if path.is_file() and path.name != STAMP]
    return {"quarantine" if path == quarantine else path.name: sha256_file(path) for path in paths}


def validate_partition(partition: Partition, declaration: Declaration, tables: tuple[SideTable, ...]) -> dict[str, Any]:
    """Counts of one partition, whose outputs are written unless they are there already."""
    if partition.counts is not None:
        return partition.counts
    folder = partition.folder
    clean, quarantine = CLEAN_DIR / folder.name, QUARANTINE_DIR / f"{folder.name}.csv"
    expected = main_columns(declaration, tables)
    if not matching(folder, declaration.source.files):
        globs = ", ".join(declaration.source.files)
        raise SourceError(f"{folder} holds no file that matches {globs}; run stage acquire again")
    quarantine.parent.mkdir(parents=True, exist_ok=True)
    with atomic_folder(clean) as fresh, atomic_path(quarantine) as partial:
        if declaration.images is not None and partition.images is not None:
            os.replace(partition.images, fresh / "creatives.parquet")
        contract = contract_of(declaration, tables, partition.known)
        counts = write_rows(folder, declaration, expected, contract, fresh / "impressions.parquet", partial)
        counts["unreadable_images"] = list(partition.unreadable)
        made = digests(fresh, partial)
        write_json(fresh / STAMP, {"made_from": partition.made_from, "made": made, "counts": counts})
    return counts


def write_rows(
    folder: Path,
    declaration: Declaration,
    expected: tuple[str, ...],
    contract: Contract,
    clean: Path,
    rejected: Path,
) -> dict[str, Any]:
    """Stream the folder's files through the contract into `clean` (Parquet) and `rejected` (CSV); return the counts."""
    chunks = read_partition(matching(folder, declaration.source.files), declaration, expected, frozenset(), folder)
    counts: Counter[str] = Counter()
    rules: Counter[str] = Counter()
    schema = pl.DataFrame(schema={c.name: dtype_of(c) for c in contract.columns}).to_arrow().schema
    with (
        rejected.open("wb") as out,
        ParquetRows(clean, schema) as writer,
        WriteBehind(writer.write) as written,
    ):
        out.write(pl.DataFrame(schema={"file": pl.String, **REJECTED}).write_csv().encode())
        for path, chunk in tqdm(read_ahead(chunks), desc="rows", unit="chunk", disable=None, leave=False):
            good, bad = checked(contract, chunk, path)
            counts.update(raw=len(chunk), clean=len(good), quarantined=len(bad))
            counts.update(clicks=int(good[declaration.label.name].sum()))
            broken = bad.group_by("column", "rule").len()
            rules.update({f"{rule} {column}".strip(): rows for column, rule, rows in broken.iter_rows()})
            name = path.relative_to(folder).as_posix()
            bad.select(pl.lit(name).alias("file"), pl.all()).write_csv(out, include_header=False)
            written.put(good.drop(ROW))
    if counts["raw"] != counts["clean"] + counts["quarantined"]:
        raise AssertionError(f"rows do not add up: {dict(counts)}")
    return {
        **{name: counts[name] for name in ("raw", "clean", "quarantined", "clicks")},
        "rules": dict(sorted(rules.items())),
        **({"matched": matches(contract)} if contract.joins else {}),
        **({"with_image": contract.num_imaged} if contract.images is not None else {}),
        **({"unmatched": contract.unmatched()} if contract.joins or contract.images is not None else {}),
    }


def checked(contract: Contract, chunk: Chunk, path: Path) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The chunk's good rows, and the bad ones as REJECTED. Raises SourceError, with the path, if a column is of no use."""
    try:
        return contract.check(chunk)
    except SourceError as error:
        raise SourceError(f"{path}: {error}") from error


def matches(contract: Contract) -> dict[str, int]:
    """Rows with a match, by side table and key."""
    return {side.title: count for side, count in zip(contract.joins, contract.num_matched, strict=True)}


def fingerprint(folder: Path, declaration: Declaration, earlier: frozenset[str]) -> str:
    """Digest of everything a partition's clean rows follow from."""
    declared = {key: value for key, value in asdict(declaration).items() if key not in ("split", "slices", "description")}
    for key in ("path", "served"):
        declared["source"].pop(key)
    declared["columns"] = [column for column in declared["columns"] if column["so_far"] is None]  # clean rows do not hold these
    for column in (*declared["columns"], *declared["lists"]):
        for key in ("description", "keep", "feature", "log", "pool", "vocabulary"):  # for later stages
            column.pop(key)
    parts = [sha256_tree(folder), declared, sha256_code(CODE, LIBRARIES), sorted(earlier)]
    parts += [sha256_tree(RAW_DIR / SHARED)] if declaration.source.joins else []
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def known_images(clean: Path) -> frozenset[str]:
    path = clean / "creatives.parquet"
    return frozenset(chain.from_iterable(creatives_in(path))) if path.is_file() else frozenset()


def add_up(reports: list[dict[str, Any]]) -> dict[str, Any]:
    rules: Counter[str] = Counter()
    for report in reports:
        rules.update(report["rules"])
    numbers = {name: sum(report[name] for report in reports) for name in ("raw", "clean", "quarantined", "clicks")}
    return {
        **numbers,
        "rules": dict(sorted(rules.items())),
        "unreadable_images": sum(len(r["unreadable_images"]) for r in reports),
    }


if __name__ == "__main__":
    run_stage(main)
