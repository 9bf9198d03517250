"""Stage split: reads `data/clean/`, writes `data/split/{train,val,test}.parquet` and `reports/split.json`.

Rows keep their order. By time, no instant is in two splits, and train and val end before test begins. Rows that this or
`exclude_entities` leaves out are counted, not lost silently. What is so far is counted here, over all partitions.
"""

if __name__ == "__main__":  # before the imports below, which take their time
    from contracts.terminal import end_on_ctrl_c

    end_on_ctrl_c()

import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
from tqdm import tqdm

from contracts.dataset.declaration import Declaration, Split
from contracts.dataset.partitions import in_order
from contracts.dataset.served import as_read
from contracts.tables.computed.so_far import SoFarColumns, history_of
from contracts.tables.parquet import ParquetRows, streamed
from stages.cutting import OUT_OF_TIME, cut
from stages.entry import run_stage
from stages.files import atomic_folder, write_json
from stages.row_weights import clean_mass, labelled, row_weights, weight_names
from stages.settings import load_params, load_section

CLEAN_DIR = Path("data/clean")
SPLIT_DIR = Path("data/split")
REPORT_PATH = Path("reports/split.json")
SPLITS = ("train", "val", "test")
EXCLUDED, EMPTY = 3, 5  # codes of rows that are in no split: their entity is in train; they stand for nothing. See OUT_OF_TIME
MAX_STRAY = 0.05  # share of the rows that may be out of time; more, and the partitions are in another order than their times
BATCH_ROWS = 1 << 17
FEW_INSTANTS = 2  # fewer than there are splits
OLD = "1990"  # no log of clicks is older


def main() -> None:
    declaration = as_read(load_section("data", Declaration))
    seed = int(load_params()["seed"])
    files = ordered_files(CLEAN_DIR, declaration)
    codes = assign(files, declaration, seed)
    report = write_splits(files, codes, declaration, SPLIT_DIR)
    write_json(REPORT_PATH, report)
    shown = ", ".join(f"{name} {report[name]['rows']} rows ({report[name]['clicks']} clicks)" for name in SPLITS)
    left_out = f"{report['excluded']} excluded" + (f", {report['out_of_time']} out of time" if report["out_of_time"] else "")
    left_out += f", {report['empty']} that stand for nothing" if report.get("empty") else ""
    print(f"split: {shown}, {left_out}")
    for line in doubts(report):
        print(f"split: {line}", file=sys.stderr)


def doubts(report: dict[str, Any]) -> list[str]:
    """What is odd about the splits, though it may be right."""
    found = []
    begin, end = report["train"]["from"], max(report[name]["to"] or "" for name in SPLITS)
    if begin is not None and begin < OLD:
        found.append(f"the times begin on {begin[:10]}; is the format of the time's column right (seconds or milliseconds, ...)?")
    if end > (datetime.now(UTC) + timedelta(days=2)).isoformat():
        found.append(f"the times end on {end[:10]}, which is yet to come; is the format of the time's column right?")
    for name in ("val", "test"):
        rows, clicks = report[name]["rows"], report[name]["clicks"]
        if clicks in (0, rows):
            found.append(f"{name} has {clicks} clicks in {rows} rows; one outcome alone tells little")
    return found


def ordered_files(clean_dir: Path, declaration: Declaration) -> list[Path]:
    """The clean partitions, the first first. Raises ValueError if whole partitions are the test split and nothing tells
    which come last.
    """
    order, test_months = declaration.source.order, declaration.split.test_months
    folders = in_order((path.parent for path in clean_dir.glob("*/impressions.parquet")), order)
    names = [folder.name for folder in folders]
    if test_months is not None and not order and names == ["all"]:
        raise ValueError(
            "data.split.test_months takes the last partitions, but all files are in one, 'all': data.source.partition found no "
            "month in their names; set it to an expression that does, or cut by test_frac"
        )
    nameless = next((name for name in names if not any(letter.isdigit() for letter in name)), None)
    if test_months is not None and not order and len(names) > 1 and nameless is not None:
        raise ValueError(
            f"data.split.test_months takes the last of the partitions {', '.join(names)}, but '{nameless}' holds no number "
            f"that tells its place; write data.source.order: [{', '.join(names)}] with the last one last"
        )
    return [folder / "impressions.parquet" for folder in folders]


def assign(files: list[Path], declaration: Declaration, seed: int) -> np.ndarray:
    """Split code of every clean row, int8: 0 train, 1 val, 2 test, EXCLUDED or OUT_OF_TIME."""
    split = declaration.split
    sizes = [pq.read_metadata(path).num_rows for path in files]
    partition_N = np.repeat(np.arange(len(files)), sizes)
    if split.by == "time":
        times = [pl.read_parquet(path, columns=[declaration.time.name])[declaration.time.name] for path in files]
        order_N = pl.concat(times).dt.epoch("us").to_numpy()
    elif split.by == "row":
        order_N = np.arange(sum(sizes))
    else:
        order_N = np.random.default_rng(seed).permutation(sum(sizes))
    if declaration.unfold is not None:
        order_N = order_N[first_of_list(files, declaration.unfold.position)]
    mass_N = None
    if weight_names(declaration):
        weighing = [pl.read_parquet(path, columns=weight_names(declaration)) for path in files]
        mass_N = clean_mass(pl.concat(weighing), declaration)
    codes_N = cut(order_N, partition_N, split, mass_N)
    if mass_N is not None:
        codes_N[mass_N == 0] = EMPTY
    if split.by == "time":
        check_instants(order_N, codes_N, declaration)
    check_order([path.parent.name for path in files], codes_N, split)
    if split.exclude_entities:
        entities = [pl.read_parquet(path, columns=[declaration.entity.name])[declaration.entity.name] for path in files]
        codes_N = exclude_entities(codes_N, pl.concat(entities))
    return codes_N


def first_of_list(files: list[Path], position: str) -> np.ndarray:
    """For each clean row the row that its list begins with, int64: places that do not rise are of another list.

    Where the last impressions of one and the first of the next are in quarantine, two may count as one; none is ever divided.
    """
    rows, begins = 0, []
    for path in files:
        place_N = pl.read_parquet(path, columns=[position])[position].to_numpy()
        begins.append(rows + np.flatnonzero(np.r_[True, place_N[1:] <= place_N[:-1]][: len(place_N)]))
        rows += len(place_N)
    first = np.concatenate(begins)
    return np.repeat(first, np.diff(np.r_[first, rows]))


def check_instants(order_N: np.ndarray, codes_N: np.ndarray, declaration: Declaration) -> None:
    """Raise ValueError if a split is empty because the rows' times (microseconds) are too few or too alike."""
    empty = next((name for code, name in enumerate(SPLITS) if not (codes_N == code).any()), None)
    if empty is None:
        return
    instants, rows = np.unique(order_N, return_counts=True)
    if len(instants) > FEW_INSTANTS and _stray(codes_N) > MAX_STRAY:
        return  # then the partitions' order is what is wrong
    column, when = declaration.time.name, f"{datetime.fromtimestamp(instants[rows.argmax()] / 1e6, UTC):%Y-%m-%d %H:%M:%S} UTC"
    said = f"all {len(order_N)} rows have one time, {when}"
    if len(instants) > 1:
        said = f"the {len(order_N)} rows have {len(instants)} times, {rows.max()} of the rows {when}"
    raise ValueError(
        f"data.split.by is time, but by column '{column}' {said}; rows of one time stay together, so split '{empty}' is empty: "
        f"set data.split.by to row (the order of the files) or random in conf/data/{declaration.name}.yaml, or take finer times"
    )


def check_order(names: list[str], codes_N: np.ndarray, split: Split) -> None:
    """Raise ValueError if the last partitions, those of test, are not the latest by their times."""
    stray = _stray(codes_N)
    if stray > MAX_STRAY:
        raise ValueError(
            f"data.split.test_months takes {', '.join(names[-split.test_months :])} as the last of {', '.join(names)}, but "
            f"{stray:.0%} of the rows are on the wrong side of the time where test begins; write data.source.order with the "
            "last one last, or cut by test_frac"
        )


def _stray(codes_N: np.ndarray) -> float:
    """Share of the rows that are out of time."""
    return float((codes_N == OUT_OF_TIME).mean())


def exclude_entities(codes_N: np.ndarray, entity: pl.Series) -> np.ndarray:
    """Codes with val and test rows of entities that train has turned to excluded; val and test may share some."""
    in_train = entity.is_in(entity.filter(pl.Series(codes_N == 0)).unique().implode()).fill_null(False).to_numpy()
    return np.where(np.isin(codes_N, (1, 2)) & in_train, np.int8(EXCLUDED), codes_N)


def write_splits(files: list[Path], codes_N: np.ndarray, declaration: Declaration, out_dir: Path) -> dict[str, Any]:
    """Write the three files and return their counts. Raises ValueError if a split is empty or train has one class."""
    counts = {name: int((codes_N == code).sum()) for code, name in enumerate(SPLITS)}
    empty = next((name for name, rows in counts.items() if rows == 0), None)
    if empty is not None:
        excluded = int((codes_N == EXCLUDED).sum())
        why = f"; exclude_entities leaves {excluded} rows out" if excluded else ""
        raise ValueError(f"split '{empty}' is empty ({counts}{why}); change data.split in conf/data/{declaration.name}.yaml")
    report: dict[str, Any] = {name: {"rows": 0, "clicks": 0, "from": None, "to": None} for name in SPLITS}
    counted = SoFarColumns(declaration, history_of(files, declaration)) if declaration.so_far else None
    with atomic_folder(out_dir) as fresh:
        schema = split_schema(files[0], declaration, counted)
        writers = {name: ParquetRows(fresh / f"{name}.parquet", schema) for name in SPLITS}
        start = 0
        for path in tqdm(files, desc="split", unit="partition", disable=None):
            for batch in streamed(path).iter_batches(batch_size=BATCH_ROWS):
                codes = codes_N[start : start + batch.num_rows]
                start += batch.num_rows
                for code, name in enumerate(SPLITS):
                    rows = batch.filter(codes == code)
                    if rows.num_rows:
                        made = as_split(pl.from_arrow(rows), declaration, counted)
                        writers[name].write(made if weight_names(declaration) or counted else rows)
                        _count(report[name], made, declaration)
        for writer in writers.values():
            writer.close()
        rows, clicks = report["train"]["rows"], report["train"]["clicks"]
        if clicks in (0, rows):
            raise ValueError(
                f"split 'train' has {clicks} clicks in {rows} rows; both outcomes are needed to learn: "
                f"change data.split in conf/data/{declaration.name}.yaml"
            )
    left_out = {"excluded": int((codes_N == EXCLUDED).sum()), "out_of_time": int((codes_N == OUT_OF_TIME).sum())}
    return {**report, **left_out, **({"empty": int((codes_N == EMPTY).sum())} if weight_names(declaration) else {})}


def as_split(rows: pl.DataFrame, declaration: Declaration, counted: SoFarColumns | None) -> pl.DataFrame:
    """Clean rows as a split has them: with what is counted so far, and a row for each label of those that stand for many."""
    if counted is not None:
        rows = rows.with_columns(counted.of(rows))
    return labelled(rows, declaration) if weight_names(declaration) else rows


def split_schema(clean: Path, declaration: Declaration, counted: SoFarColumns | None) -> pa.Schema:
    """What the columns of a split hold: those of clean rows, and what `as_split` makes of them."""
    if not weight_names(declaration) and counted is None:
        return pq.read_schema(clean)
    return as_split(pl.read_parquet(clean, n_rows=0), declaration, counted).to_arrow().schema


def _count(part: dict[str, Any], rows: pl.DataFrame, declaration: Declaration) -> None:
    weights = row_weights(rows, declaration)
    part["rows"] += weights.impressions()
    part["clicks"] += weights.impressions((rows[declaration.label.name] == 1).to_numpy())
    if declaration.time is not None:
        first, last = rows[declaration.time.name].min(), rows[declaration.time.name].max()
        if first is not None:
            part["from"] = min(filter(None, (part["from"], first.isoformat())))
            part["to"] = max(filter(None, (part["to"], last.isoformat())))


if __name__ == "__main__":
    run_stage(main)
