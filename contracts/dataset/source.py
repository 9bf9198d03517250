"""Where a data set's raw files lie and how they are written: the `source` and `images` parts of a declaration."""

import re
from collections import Counter
from pathlib import Path
from typing import Any, ClassVar, Literal
from urllib.parse import unquote, urlsplit

from pydantic import ConfigDict, Field, field_validator, model_validator
from pydantic.dataclasses import dataclass

from contracts.dataset.lists import Fold
from contracts.dataset.ranges import expand_ranges

MONTH = r"(?<!\d)((?:19|20)\d\d-(?:0[1-9]|1[0-2]))(?!\d)"  # not part of a longer number
SEPARATOR = "\x1f"  # ASCII's own of cells: stands for a delimiter of several characters while a file is read
LONGEST_DELIMITER = 8
STRICT = ConfigDict(extra="forbid", allow_inf_nan=False)


class SourceError(ValueError):
    """A whole file cannot be used; the text says which, why and what to do."""


@dataclass(frozen=True, kw_only=True, config=STRICT)
class Format:
    """How the files are written. Compression is told by the suffix (.gz, .xz, ...), Parquet by .parquet."""

    where: ClassVar[str] = "source.format"  # what messages call it
    delimiter: str = ","
    skip_lines: int | Literal["to_header"] = 0  # lines before the header (or the first row) that are not part of the table
    header: bool = True  # false: the files have no line of names
    names: tuple[str, ...] | None = None  # header false only: names in file order; columns as declared if left out
    encoding: str = "utf-8"
    quote: str | None = Field(default='"', min_length=1, max_length=1)  # null: quotes have no meaning
    escape: str | None = Field(default=None, min_length=1, max_length=1)  # the character that makes a quote part of a cell
    strip: bool = False  # true: spaces around a cell are not part of it
    decimal: Literal[".", ","] = "."  # the decimal mark of numbers
    thousands: Literal[".", ",", " ", "'"] | None = None  # what groups the digits of numbers
    members: str | None = None  # glob of the files in a zip archive that are read; all if left out

    @property
    def num_skipped(self) -> int:
        """`skip_lines` of a file whose header has been found."""
        assert isinstance(self.skip_lines, int), "preamble.with_lines_counted comes first"
        return self.skip_lines

    @field_validator("skip_lines", mode="before")
    @classmethod
    def _lines(cls, lines: Any) -> Any:
        if lines != "to_header" and (type(lines) is not int or lines < 0):
            raise ValueError(f"skip_lines must be a number of lines, 0 or more, or to_header, got {lines!r}")
        return lines

    @property
    def separator(self) -> str:
        """The one character at which text is split while it is read."""
        return self.delimiter if len(self.delimiter) == 1 else SEPARATOR

    @field_validator("delimiter")
    @classmethod
    def _few_characters(cls, delimiter: str) -> str:
        if not 1 <= len(delimiter) <= LONGEST_DELIMITER or (len(delimiter) > 1 and {*delimiter} & {"\n", "\r", SEPARATOR}):
            raise ValueError(
                f"delimiter must be a character, or up to {LONGEST_DELIMITER} without a line break, got {delimiter!r}; a tab is "
                '"\\t" in double quotes'
            )
        return delimiter

    @field_validator("names", mode="before")
    @classmethod
    def _name_ranges(cls, names: Any) -> Any:
        return [entry["name"] for entry in expand_ranges([{"name": name} for name in names])] if names else names

    @model_validator(mode="after")
    def _fits_together(self) -> "Format":
        if self.header and self.names is not None:
            raise ValueError("format.names is for files without a header; set format.header: false")
        if not self.header and self.skip_lines == "to_header":
            raise ValueError("format.skip_lines: to_header is for files with a header; write a number of lines")
        if len(self.delimiter) > 1 and {*self.delimiter} & {self.quote, self.escape}:
            raise ValueError(
                f"format.delimiter {self.delimiter!r} holds the character of format.quote or format.escape; where quotes have no "
                "meaning, set quote: null"
            )
        if self.thousands == self.decimal:
            raise ValueError(f"format.thousands and format.decimal must differ, got {self.decimal!r} for both")
        return self

    @field_validator("encoding")
    @classmethod
    def _known_encoding(cls, encoding: str) -> str:
        try:
            "".encode(encoding)
        except LookupError as error:
            raise ValueError(f"encoding '{encoding}' is not known; write utf-8, latin-1, cp1252, utf-16, ...") from error
        return encoding


@dataclass(frozen=True, kw_only=True, config=STRICT)
class JoinFormat(Format):
    """How the files of a side table are written."""

    where: ClassVar[str] = "the join's format"


@dataclass(frozen=True, kw_only=True, config=STRICT)
class LeftOut:
    """A column of the source that is not used, and why."""

    name: str
    why: str = Field(min_length=1)


@dataclass(frozen=True, kw_only=True, config=STRICT)
class Join:
    """A side table whose columns are added to every row that has its key."""

    files: str  # glob of the side table's files, below source.path
    key: str | None = None  # the column both have
    on: tuple[str, ...] = ()  # or several that both have, which tell a row together
    format: JoinFormat = Field(default_factory=JoinFormat)
    leave_out: tuple[LeftOut, ...] = ()
    rename: dict[str, str] = Field(default_factory=dict)  # what the side table calls a column -> what columns calls it
    optional: bool = False  # true: a row without a match has missing values; false: it is quarantined
    matched: str | None = None  # name of a new column, true or false: has the row a match; such a join is optional
    fold: dict[str, Fold] = Field(default_factory=dict)  # keys repeat: columns that become a set, and new ones that count rows

    @field_validator("leave_out", mode="before")
    @classmethod
    def _ranges(cls, entries: Any) -> Any:
        return expand_ranges(list(entries)) if isinstance(entries, list | tuple) else entries

    @model_validator(mode="after")
    def _columns_are_named(self) -> "Join":
        if not self.format.header and not self.format.names:
            raise ValueError(f"the side table '{self.files}' has no header; name its columns in format.names")
        return self

    @model_validator(mode="after")
    def _keys_given(self) -> "Join":
        if (self.key is None) == (not self.on):
            raise ValueError(f"the join '{self.files}' needs either key, the column that both have, or on, a list of several")
        if len(set(self.on)) < len(self.on):
            raise ValueError(f"the join '{self.files}' names a column twice in on: {', '.join(self.on)}")
        return self

    @property
    def keys(self) -> tuple[str, ...]:
        """Names of the columns both have."""
        return self.on if self.key is None else (self.key,)

    @property
    def lenient(self) -> bool:
        """May a row be without a match."""
        return self.optional or self.matched is not None


@dataclass(frozen=True, kw_only=True, config=STRICT)
class Images:
    """Images of the creatives; the file's name without suffix is the creative's id."""

    files: str  # glob of the images, below source.path
    missing: Literal["quarantine", "allow"] = "quarantine"  # a row whose creative has no image


@dataclass(frozen=True, kw_only=True, config=STRICT)
class Source:
    """Where the raw files come from."""

    kind: Literal["exchange", "files", "served"]
    path: str = ""  # folder or file; relative to the project, absolute, s3:// or gs://
    served: str = ""  # kind served only: folder of the rows that were served, shown and labelled (contracts/dataset/served.py)
    files: tuple[str, ...] = Field(min_length=1)  # globs of the impressions' files, below path
    partition: str = MONTH  # regular expression that finds the month in a file's path; no match: "all"
    format: Format = Field(default_factory=Format)
    rename: dict[str, str] = Field(default_factory=dict)  # what the impressions' files call a column -> what columns calls it
    joins: tuple[Join, ...] = ()
    order: tuple[str, ...] = ()  # partitions from the first to the last, where their names do not tell

    @field_validator("partition")
    @classmethod
    def _partition_compiles(cls, partition: str) -> str:
        try:
            re.compile(partition)
        except re.error as error:
            raise ValueError(f"partition {partition!r} is no regular expression: {error}") from error
        return partition

    @field_validator("order")
    @classmethod
    def _each_once(cls, order: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(order)) < len(order):
            raise ValueError(f"order must name each partition once, got {', '.join(order)}")
        return order

    @property
    def local(self) -> Path | None:
        """The file or folder on this machine; None where the data is simulated or lies in object storage."""
        if self.kind == "served":
            return Path(self.served)
        scheme, host, path = urlsplit(self.path)[:3] if "://" in self.path else ("file", "", self.path)
        if self.kind == "exchange" or scheme != "file" or host:
            return None
        return Path(unquote(path) if "://" in self.path else path)

    @property
    def globs(self) -> tuple[str, ...]:
        """Of the impressions' files and those of side tables."""
        return (*self.files, *(join.files for join in self.joins))

    @model_validator(mode="after")
    def _path_given(self) -> "Source":
        if self.kind == "files" and not self.path:
            raise ValueError("source.path is required when source.kind is files: the folder the files lie in")
        if self.kind == "served" and not self.served:
            raise ValueError("source.served is required when source.kind is served: the folder that feedback.labelled names")
        if self.rename and not self.format.header:
            raise ValueError("source.rename is for files with a header; files without one are named by format.names")
        twice = next((name for name, count in Counter(self.rename.values()).items() if count > 1), None)
        if twice is not None:
            raise ValueError(f"source.rename calls two columns '{twice}'; choose another name for one of them")
        return self
