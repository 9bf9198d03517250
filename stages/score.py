"""Bulk scoring: `python -m stages.score INPUT OUTPUT` scores a CSV, JSON lines or Parquet file, or a folder of them, with the
exported model. Same contract and same encoder as training; broken rows go to `<output>.quarantine.csv`. Memory is
bounded.

Not a stage of the pipeline: `make score INPUT=... OUTPUT=...` calls it.
"""

if __name__ == "__main__":  # before the imports below, which take their time
    from contracts.terminal import end_on_ctrl_c

    end_on_ctrl_c()

import argparse
import os
import signal
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import polars as pl
from pydantic import TypeAdapter
from tqdm import tqdm

from contracts.dataset.declaration import Declaration
from contracts.dataset.partitions import SHARED, matching
from contracts.dataset.source import SourceError
from contracts.serving.releases import release_number
from contracts.tables.chunk import Chunk
from contracts.tables.clean_rows import CleanRows
from contracts.tables.computed.so_far import SoFarColumns
from contracts.tables.contract import contract_of
from contracts.tables.joins import SideTable
from contracts.tables.parquet import ParquetRows
from contracts.tables.raw import main_columns, read_partition, scored_joins, side_tables, trained_side_tables
from contracts.tables.rejected import REJECTED
from contracts.tables.scores import scores
from contracts.tables.text.compression import NAMES
from stages.entry import run_stage
from stages.files import atomic_path, read_json
from stages.images.folder import ImageFiles
from stages.overlap import read_ahead, side_by_side
from stages.scoring.history import counted_or_given
from stages.scoring.scorer import Scorer, check_export

EXPORT_DIR = Path("artifacts/export")
RAW_DIR = Path("data/raw")
REPOSITORY, STORE_DIR = "repository/embedded", Path("models")  # the export as Triton takes it, beside it; the releases
AT_ONCE = 2  # chunks that are scored while another is read and one is checked
SUFFIXES = (
    *(f"*.{kind}{packed}" for kind in ("csv", "tsv", "txt", "jsonl", "ndjson") for packed in ("", *NAMES)),
    "*.parquet",
    "*.zip",
)


def main() -> None:
    pl.Config.set_engine_affinity("in-memory")  # as in stage validate
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # so that what is half written is removed
    args = parse(sys.argv[1:])
    check_export(args.model)
    declaration = TypeAdapter(Declaration).validate_python(read_json(args.model / "declaration.json"))
    files, images = find_input(args.input, declaration)
    rejected = args.output.with_name(f"{args.output.name}.quarantine.csv")
    check_output(args.output, rejected, files)
    tables = find_tables(args.input, declaration, args.model)
    version = release_number(args.store, args.model.parent / REPOSITORY)
    declaration, counted = counted_or_given(files, declaration, tables)
    with atomic_path(args.output) as out:
        with atomic_path(rejected) as broken:
            scorer = Scorer(args.model)
            counts = score_files(files, images, declaration, tables, scorer, version, out, args.output.suffix, broken, counted)
        if counts["raw"] and not counts["clean"]:  # what was there under the output's name stays
            kept = f"none of the {counts['raw']} rows keeps the contract of data set '{declaration.name}'"
            raise ValueError(f"{kept}; {rejected} says why of each")
    warning = scorer.unseen and scorer.unseen.warning()
    if warning:
        print(f"score: {warning}", file=sys.stderr)
    read = f"{counts['raw']} rows of {len(files)} files"
    print(f"score: {read} = {counts['clean']} scored to {args.output} + {counts['quarantined']} in {rejected}")


def parse(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m stages.score", description="Score a file or folder of impressions.")
    parser.add_argument(
        "input", type=Path, help="CSV, JSON lines or Parquet file (.gz, .xz, ... are read too), or a folder of them"
    )
    parser.add_argument("output", type=Path, help="file to write, .csv or .parquet")
    parser.add_argument("--model", type=Path, default=EXPORT_DIR, help="folder of the exported model (default: %(default)s)")
    parser.add_argument("--store", type=Path, default=STORE_DIR, help="folder of the releases (default: %(default)s)")
    return parser.parse_args(argv)


def find_input(path: Path, declaration: Declaration) -> tuple[list[Path], ImageFiles | None]:
    """The files to score and the images' files in the same folder. Raises SourceError if there are no files."""
    if not path.exists():
        raise SourceError(f"{path} does not exist; give INPUT a file or a folder")
    folder = path if path.is_dir() else path.parent
    images = ImageFiles(folder, declaration) if declaration.images else None
    if path.is_file():
        return [path], images
    tables = {file for join in declaration.source.joins for file in matching(path, (join.files,))}
    anywhere = tuple(f"**/{suffix}" for suffix in SUFFIXES)
    for patterns in (declaration.source.files, anywhere):
        files = [file for file in matching(path, patterns) if file not in tables]
        if files:
            return files, images
    raise SourceError(f"{path} holds no file that matches {', '.join((*declaration.source.files, *SUFFIXES))}")


def find_tables(path: Path, declaration: Declaration, model: Path) -> tuple[SideTable, ...]:
    """The side tables beside the rows to score if all lie there, or else those that the model was trained with."""
    joins = scored_joins(declaration)
    folder = path if path.is_dir() else path.parent
    own = bool(joins) and all(matching(folder, (join.files,)) for join in joins)
    where = folder if own else RAW_DIR / SHARED
    if joins:
        print(f"score: side tables are read from {where}", file=sys.stderr)
    if own:
        return side_tables(where, declaration, labelled=False)
    try:
        return trained_side_tables(where, declaration, read_json(model / "manifest.json")["side_tables"])
    except SourceError as error:
        raise SourceError(f"{error}, or put the side tables of these rows beside them") from error


def check_output(output: Path, rejected: Path, files: list[Path]) -> None:
    """Raise ValueError where the output cannot be written as asked, before any work."""
    if output.is_dir():
        raise ValueError(f"the output {output} is a folder; name a file in it")
    if output.suffix not in (".csv", ".parquet"):
        raise ValueError(f"the output must end in .csv or .parquet, got {output}")
    clash = next((file for file in files if file.resolve() in (output.resolve(), rejected.resolve())), None)
    if clash is not None:
        raise ValueError(f"{clash} is read and would be written too; choose another OUTPUT")


def score_files(
    files: list[Path],
    images: ImageFiles | None,
    declaration: Declaration,
    tables: tuple[SideTable, ...],
    scorer: Scorer,
    version: int | None,
    output: Path,
    suffix: str,
    rejected: Path,
    counted: SoFarColumns | None = None,
) -> Counter[str]:
    """Stream the files through contract and model; return the counts. `version`: the model's number among the releases;
    `counted`: what is so far, where the files do not hold it.
    """
    key, creative = declaration.key, declaration.creative and declaration.creative.name
    position = declaration.unfold and declaration.unfold.position
    common = Path(os.path.commonpath([file.parent for file in files]))
    counts: Counter[str] = Counter()

    def scored(checked: CheckedChunk) -> tuple[CheckedChunk, pl.DataFrame]:
        name = checked.path.relative_to(common).as_posix()
        p_click = scorer.score(checked.good, images, creative)
        return checked, scores(name, checked.good.cells, key and key.name, p_click, version, position)

    with (
        rejected.open("wb") as bad_out,
        output.open("wb") as out,
        ParquetRows(out) as writer,
        tqdm(desc="score", unit="row", unit_scale=True, disable=None) as bar,
    ):
        bad_out.write(pl.DataFrame(schema={"file": pl.String, **REJECTED}).write_csv().encode())
        for checked, found in side_by_side(scored, checked_chunks(files, declaration, tables, counted), AT_ONCE):
            name = checked.path.relative_to(common).as_posix()
            checked.bad.select(pl.lit(name).alias("file"), pl.all()).write_csv(bad_out, include_header=False)
            if suffix == ".csv":
                found.write_csv(out, include_header=counts["raw"] == 0)
            else:
                writer.write(found)
            counts.update(raw=checked.num_rows, clean=len(checked.good), quarantined=len(checked.bad))
            bar.update(checked.num_rows)
    return counts


@dataclass(frozen=True, kw_only=True)
class CheckedChunk:
    """Some rows of a file after the contract."""

    path: Path
    num_rows: int
    good: CleanRows
    bad: pl.DataFrame


def checked_chunks(
    files: list[Path], declaration: Declaration, tables: tuple[SideTable, ...], counted: SoFarColumns | None = None
) -> Iterator[CheckedChunk]:
    """The files' rows through the contract, in order, with what is counted so far."""
    expected = main_columns(declaration, tables)
    optional = declaration.optional_to_score
    contract = contract_of(replace(declaration, images=None), tables, None, labelled=False)
    chunks = said_for(declaration.name, read_partition(files, declaration, expected, optional))
    for path, chunk in read_ahead(chunks):
        good, bad = contract.check_values(chunk)
        if counted is not None:
            good = replace(good, cells=good.cells.with_columns(counted.of(good.spelled_out(counted.read))))
        yield CheckedChunk(path=path, num_rows=len(chunk), good=good, bad=bad)


def said_for(name: str, chunks: Iterator[tuple[Path, Chunk]]) -> Iterator[tuple[Path, Chunk]]:
    """The chunks; an error says which data set's contract the file does not keep: the model may be of another one."""
    try:
        yield from chunks
    except SourceError as error:
        raise SourceError(f"{error} (read by the declaration of the model's data set, '{name}')") from error


if __name__ == "__main__":
    run_stage(main)
