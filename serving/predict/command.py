"""`python -m serving.predict ROWS.csv`: scores a CSV, TSV (.gz, .xz, ... too) or Parquet file with the served model.

Same contract as in training: broken rows go to `<output>.quarantine.csv`, each with its column, rule and value, and so do
those that the server refuses. Memory is bounded. Output files appear whole or not at all.
"""

import argparse
import os
import sys
from collections import Counter
from pathlib import Path

import polars as pl
from tqdm import tqdm

from contracts.tables.chunk import ROW
from contracts.tables.rejected import REJECTED, VALUE_CHARS
from contracts.tables.scores import scores
from serving.client import CtrClient, RefusedRow
from serving.client.protocols import DEFAULT_PORTS
from serving.client.settings import PROTOCOLS
from serving.predict.input import (
    ImageFolder,
    RowsToScore,
    declared_rows,
    published_rows,
    read_declaration,
    read_side_table_digests,
)
from serving.predict.output import RejectedRows, ScoredRows, opened, quarantine

CHUNK_DEADLINE_S = 600.0  # of some hundred thousand rows


def main() -> None:
    args = parse(sys.argv[1:])
    check_paths(args.rows, args.output)
    declaration = None if args.declaration is None else read_declaration(args.declaration)
    with CtrClient(args.url, args.protocol, deadline_s=CHUNK_DEADLINE_S, root_certificates=args.root_certificates) as client:
        model = client.served()
        if declaration is None:
            rows = published_rows(args.rows, model.request)
        else:
            digests = read_side_table_digests(args.declaration, declaration)
            rows = declared_rows(args.rows, declaration, digests, model.request)
        images = None
        if args.images is not None:
            images = ImageFolder(args.images, model.max_image_bytes, model.max_image_pixels)
        with opened(args.output) as (scored, rejected):
            counts = score(rows, client, images, scored, rejected, args.release)
    for name, reason in (images.unusable if images is not None else {}).items():
        print(f"predict: image {name} cannot be used: {reason}", file=sys.stderr)
    print(summary(args.rows, args.output, counts), file=sys.stderr)


def parse(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m serving.predict",
        description="Score a file of impressions with the served model.",
        epilog="Without --declaration the file has a header, commas (tabs in .tsv), UTF-8 and a decimal point, and all the "
        "columns that the model takes, by their declared names or those that source.rename gives raw files; others are ignored. "
        "With it the file is read as in training: its own format, side "
        "tables from data/raw/shared, the columns it leaves out, and the key, which the output then repeats.",
    )
    parser.add_argument("rows", type=Path, help="CSV, TSV, JSON lines (.gz, .xz, ... are read too) or Parquet file")
    parser.add_argument("--url", help="host:port of the server (default: 127.0.0.1:8001, with --protocol http :8000)")
    parser.add_argument("--protocol", choices=PROTOCOLS, default="grpc", help="(default: %(default)s)")
    parser.add_argument("--output", type=Path, help="file to write, .csv or .parquet (default: CSV on stdout)")
    parser.add_argument("--images", type=Path, metavar="DIR", help="images of new creatives: <creative id>.png or .jpg")
    parser.add_argument("--declaration", type=Path, metavar="FILE", help="the data set's artifacts/export/declaration.json")
    parser.add_argument("--release", type=int, metavar="N", help="release that shall answer, if it is open (default: as routed)")
    parser.add_argument("--root-certificates", type=Path, metavar="FILE", help="PEM file of whom to trust; speaks TLS")
    args = parser.parse_args(argv)
    args.url = args.url or f"127.0.0.1:{DEFAULT_PORTS[args.protocol]}"
    return args


def check_paths(rows: Path, output: Path | None) -> None:
    """Raise ValueError where the files cannot be read and written as asked, before any work."""
    if not rows.is_file():
        raise ValueError(f"{rows} {'is a folder; name a file in it' if rows.is_dir() else 'does not exist'}")
    if output is None:
        return
    if output.suffix not in (".csv", ".parquet") or output.is_dir():
        raise ValueError(f"the output must be a file that ends in .csv or .parquet, got {output}")
    if rows.resolve() in (output.resolve(), quarantine(output).resolve()):
        raise ValueError(f"{rows} is read and would be written too; choose another --output")


def score(
    rows: RowsToScore,
    client: CtrClient,
    images: ImageFolder | None,
    scored: ScoredRows,
    rejected: RejectedRows,
    release: int | None = None,
) -> Counter[str]:
    """Stream the chunks through the contract and the served model; return the counts."""
    counts: Counter[str] = Counter()
    with tqdm(desc="predict", unit="row", unit_scale=True, disable=None) as bar:
        for chunk in rows.chunks:
            good, bad = rows.contract.check(chunk)
            answer, refused = client.predict_apart(good, images, check=False, release=release)
            answered = ~pl.int_range(len(good), eager=True).is_in([row.row for row in refused])
            found = scores(rows.file, good, rows.key, answer.probability, answer.model_version, rows.position)
            scored.write(found.filter(answered))
            bad = pl.concat([bad, refused_rows(good, refused)]).sort("row")
            rejected.write(bad)
            counts.update(raw=len(chunk), clean=int(answered.sum()), rejected=len(bad))
            bar.update(len(chunk))
    if counts["raw"] != counts["clean"] + counts["rejected"]:
        raise AssertionError(f"rows do not add up: {dict(counts)}")
    return counts


def refused_rows(rows: pl.DataFrame, refused: list[RefusedRow]) -> pl.DataFrame:
    """The rows that the server refused, as REJECTED."""
    values = [str(rows[one.column][one.row]) if one.column in rows.columns else None for one in refused]
    return pl.DataFrame(
        {
            "row": rows[ROW].gather([one.row for one in refused]),
            "column": [one.column for one in refused],
            "rule": [one.rule for one in refused],
            "value": [None if value is None else value[:VALUE_CHARS] for value in values],
            "num_broken": [1] * len(refused),
        },
        schema=REJECTED,
    )


def summary(rows: Path, output: Path | None, counts: Counter[str]) -> str:
    if output is None:
        return f"predict: {counts['raw']} rows of {rows} = {counts['clean']} scored + {counts['rejected']} rejected"
    to, aside = f"{counts['clean']} scored to {output}", f"{counts['rejected']} in {quarantine(output)}"
    return f"predict: {counts['raw']} rows of {rows} = {to} + {aside}"


def piped() -> None:
    """`main`, ended quietly when whoever reads our stdout has enough."""
    try:
        main()
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(141)
