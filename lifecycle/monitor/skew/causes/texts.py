"""Explanations of different texts: case, blanks, another way to write numbers, other names for the same."""

from collections.abc import Iterator

import polars as pl

from lifecycle.monitor.skew.causes.cause import DifferentPairs, SkewCause

MIN_REPEATS = 5  # rows a value, from which on it can be said that a name has another one
FEW = 3  # distinct values that the file has to have where the served side has one


def text_causes(pairs: DifferentPairs) -> Iterator[SkewCause]:
    """`pairs` have a value on both sides."""
    if not len(pairs):
        return
    file, served = pairs.file.cast(pl.String), pairs.served.cast(pl.String)
    if served.n_unique() == 1 and file.n_unique() >= FEW:
        yield SkewCause(kind="constant", text=f"always '{served[0]}'", share=1.0)
    blanks = (file.str.strip_chars() == served.str.strip_chars()).mean()
    yield SkewCause(kind="whitespace", text="that of the file with other blanks around it", share=_share(blanks))
    lower = (file.str.to_lowercase() == served.str.to_lowercase()).mean()
    yield SkewCause(kind="case", text="that of the file with other capital letters", share=_share(lower))
    both = (file.str.strip_chars().str.to_lowercase() == served.str.strip_chars().str.to_lowercase()).mean()
    yield SkewCause(kind="case", text="that of the file with other capital letters and blanks", share=_share(both))
    numbers = (file.cast(pl.Float64, strict=False) == served.cast(pl.Float64, strict=False)).fill_null(False).mean()
    yield SkewCause(kind="number_format", text="the same number written otherwise", share=_share(numbers))
    yield from _renamed(file, served)


def _renamed(file: pl.Series, served: pl.Series) -> Iterator[SkewCause]:
    """Has each value of the file one of its own on the served side."""
    pairs = pl.DataFrame({"file": file, "served": served}).group_by("file", "served").len()
    commonest = pairs.sort("len", "file", "served", descending=[True, False, False]).unique(
        "file", keep="first", maintain_order=True
    )
    is_one_to_one = commonest["served"].n_unique() == len(commonest)
    if is_one_to_one and len(file) >= MIN_REPEATS * len(commonest) and len(commonest) >= 2:
        shown = ", ".join(f"'{a}' as '{b}'" for a, b, _ in commonest.head(3).iter_rows())
        text = f"another name for the same: {shown}{' and others' * (len(commonest) > 3)}"
        yield SkewCause(kind="renamed", text=text, share=float(commonest["len"].sum()) / len(file))


def _share(mean: object) -> float:
    return float(mean) if isinstance(mean, int | float) else 0.0
