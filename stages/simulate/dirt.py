"""Rows broken on purpose, as they come from real ad servers. Works on finished CSV lines, since no typed table can hold them."""

from dataclasses import dataclass

import numpy as np

from stages.simulate.randomness import generator

DUPLICATE = "duplicate"
# kind -> (column, bytes that replace its field)
BROKEN_FIELDS = {
    "age_is_text": ("user_age", b"abc"),
    "frequency_is_text": ("frequency", b"many"),
    "timestamp_is_no_time": ("timestamp", b"yesterday"),
    "price_is_text": ("floor_price", b"1.2.3"),
    "position_out_of_range": ("position", b"99"),
    "hour_out_of_range": ("hour", b"31"),
    "price_negative": ("floor_price", b"-1.5"),
    "age_impossible": ("user_age", b"430.0"),
    "click_is_neither_0_nor_1": ("clicked", b"2"),
    "device_unknown": ("device", b"toaster"),
    "site_missing": ("site_id", b""),
    "click_missing": ("clicked", b""),
    "region_not_utf8": ("region", b"\xff\xfe"),
    "region_latin1": ("region", "île-de-france".encode("latin-1")),
}
KINDS = (DUPLICATE, *BROKEN_FIELDS)


@dataclass(frozen=True, kw_only=True)
class Dirt:
    """Which rows of a month are dirty and how: parallel arrays, rows ascending."""

    row: np.ndarray  # int64
    kind: np.ndarray  # index into KINDS

    def __len__(self) -> int:
        return len(self.row)

    def count(self, kind: str) -> int:
        return int((self.kind == KINDS.index(kind)).sum())


def plan_dirt(seed: int, month_idx: int, num_rows: int, dirty_frac: float) -> Dirt:
    """Distinct random rows, `dirty_frac` of all, with the kinds in equal shares."""
    rng = generator(seed, "dirt", month_idx)
    row = np.sort(rng.choice(num_rows, size=round(dirty_frac * num_rows), replace=False))
    return Dirt(row=row, kind=rng.permutation(np.arange(len(row)) % len(KINDS)))


def soil(csv: bytes, columns: list[str], first_row: int, dirt: Dirt) -> bytes:
    """The CSV lines (no header, first line is row `first_row` of the month) with the planned rows broken or doubled."""
    line_end = np.flatnonzero(np.frombuffer(csv, dtype=np.uint8) == ord("\n"))
    begin, end = np.searchsorted(dirt.row, [first_row, first_row + len(line_end)])
    pieces, copied = [], 0
    for line, kind in zip(dirt.row[begin:end] - first_row, dirt.kind[begin:end], strict=True):
        line_start = int(line_end[line - 1]) + 1 if line > 0 else 0
        pieces.append(csv[copied:line_start])
        copied = int(line_end[line])
        pieces.append(_soiled_line(csv[line_start:copied], columns, KINDS[kind]))
    return b"".join([*pieces, csv[copied:]])


def _soiled_line(line: bytes, columns: list[str], kind: str) -> bytes:
    if kind == DUPLICATE:
        return line + b"\n" + line
    column, value = BROKEN_FIELDS[kind]
    values = line.split(b",")  # no value of the exchange holds a comma
    values[columns.index(column)] = value
    return b",".join(values)
