"""The declaration of a data set, `conf/data/<name>.yaml`: where it lies, how it is written, what its columns are."""

import hashlib
import json
from collections import Counter
from dataclasses import asdict
from typing import Any, Literal

from pydantic import ConfigDict, Field, field_validator, model_validator
from pydantic.dataclasses import dataclass

from contracts.columns import Column, Role, expand_ranges

STRICT = ConfigDict(extra="forbid")


@dataclass(frozen=True, kw_only=True, config=STRICT)
class Format:
    """How the files are written. Gzip is told by the suffix .gz, Parquet by .parquet."""

    delimiter: str = Field(default=",", min_length=1, max_length=1)
    header: bool = True  # false: the files have no line of names
    names: tuple[str, ...] | None = None  # header false only: names in file order; columns as declared if left out
    encoding: str = "utf-8"
    quote: str | None = Field(default='"', min_length=1, max_length=1)  # null: quotes have no meaning

    @field_validator("names", mode="before")
    @classmethod
    def _name_ranges(cls, names: Any) -> Any:
        return [entry["name"] for entry in expand_ranges([{"name": name} for name in names])] if names else names

    @field_validator("encoding")
    @classmethod
    def _known_encoding(cls, encoding: str) -> str:
        try:
            "".encode(encoding)
        except LookupError as error:
            raise ValueError(f"encoding '{encoding}' is not known; write utf-8, latin-1, cp1252, utf-16, ...") from error
        return encoding


@dataclass(frozen=True, kw_only=True, config=STRICT)
class LeftOut:
    """A column of the source that is not used, and why."""

    name: str
    why: str = Field(min_length=1)


@dataclass(frozen=True, kw_only=True, config=STRICT)
class Join:
    """A side table whose columns are added to every row that has its key."""

    files: str  # glob of the side table's files, below source.path
    key: str  # the column both have
    format: Format = Field(default_factory=Format)
    leave_out: tuple[LeftOut, ...] = ()
    optional: bool = False  # true: a row without a match has missing values; false: it is quarantined


@dataclass(frozen=True, kw_only=True, config=STRICT)
class Images:
    """Images of the creatives; the file's name without suffix is the creative's id."""

    files: str  # glob of the images, below source.path
    missing: Literal["quarantine", "allow"] = "quarantine"  # a row whose creative has no image


@dataclass(frozen=True, kw_only=True, config=STRICT)
class Source:
    """Where the raw files come from."""

    kind: Literal["exchange", "files"]
    path: str = ""  # folder or file; relative to the project, absolute, s3:// or gs://
    files: tuple[str, ...] = Field(min_length=1)  # globs of the impressions' files, below path
    partition: str = r"(\d{4}-\d{2})"  # regular expression that finds the month in a file's path; no match: "all"
    format: Format = Field(default_factory=Format)
    joins: tuple[Join, ...] = ()

    @model_validator(mode="after")
    def _path_given(self) -> "Source":
        if self.kind == "files" and not self.path:
            raise ValueError("source.path is required when source.kind is files: the folder the files lie in")
        return self


@dataclass(frozen=True, kw_only=True, config=STRICT)
class Split:
    """How rows are divided into train, val and test."""

    by: Literal["time", "row", "random"]
    val_frac: float = Field(gt=0, lt=1)  # share of the rows (with test_months: of those before the test months)
    test_frac: float | None = Field(default=None, gt=0, lt=1)  # share of the rows
    test_months: int | None = Field(default=None, ge=1)  # instead: the last partitions are the test split
    exclude_entities: bool = False  # drop rows of val and test whose entity is in train

    @model_validator(mode="after")
    def _one_test_size(self) -> "Split":
        if (self.test_frac is None) == (self.test_months is None):
            raise ValueError("split needs exactly one of test_frac and test_months")
        if self.test_frac is not None and self.val_frac + self.test_frac >= 1:
            raise ValueError(f"split.val_frac + split.test_frac must be below 1, got {self.val_frac} + {self.test_frac}")
        if self.test_months is not None and self.by == "random":
            raise ValueError("split.test_months needs split.by time or row, got random")
        return self


@dataclass(frozen=True, kw_only=True, config=STRICT)
class Declaration:
    """A data set. Everything downstream reads columns from here and from nowhere else."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    description: str = ""
    source: Source
    columns: tuple[Column, ...]
    leave_out: tuple[LeftOut, ...] = ()
    images: Images | None = None
    slices: tuple[str, ...] | None = None  # columns by which evaluation is reported beside the total
    split: Split

    @field_validator("columns", "leave_out", mode="before")
    @classmethod
    def _ranges(cls, entries: Any) -> Any:
        return expand_ranges(list(entries)) if isinstance(entries, list | tuple) else entries

    @model_validator(mode="after")
    def _roles_fit(self) -> "Declaration":
        names = Counter([c.name for c in self.columns] + [c.name for c in self.leave_out])
        twice = [name for name, count in names.items() if count > 1]
        if twice:
            raise ValueError(f"column '{twice[0]}' is declared twice")
        for role in ("label", "time", "creative", "key", "entity"):
            if len(self.by_role(role)) > 1:
                raise ValueError(f"role {role} is given to {[c.name for c in self.by_role(role)]}; one column can have it")
        if not self.by_role("label"):
            raise ValueError("no column has role label")
        if not self.features:
            raise ValueError("no column is a feature; give at least one the role categorical or numeric")
        for needed, role, why in (
            (self.split.by == "time", "time", "split.by time"),
            (self.images is not None, "creative", "images"),
            (self.split.exclude_entities, "entity", "split.exclude_entities"),
        ):
            if needed and not self.by_role(role):
                raise ValueError(f"{why} needs a column with role {role}")
        for column in self.columns:
            source = next((c for c in self.columns if c.name == column.derive_from), None)
            if column.derive_from is not None and (source is None or source.dtype != "datetime"):
                raise ValueError(f"column '{column.name}': derive_from '{column.derive_from}' is no declared datetime column")
        return self

    def by_role(self, role: Role) -> tuple[Column, ...]:
        return tuple(column for column in self.columns if column.role == role)

    @property
    def label(self) -> Column:
        return self.by_role("label")[0]

    @property
    def time(self) -> Column | None:
        return next(iter(self.by_role("time")), None)

    @property
    def creative(self) -> Column | None:
        return next(iter(self.by_role("creative")), None)

    @property
    def key(self) -> Column | None:
        return next(iter(self.by_role("key")), None)

    @property
    def entity(self) -> Column | None:
        return next(iter(self.by_role("entity")), None)

    @property
    def features(self) -> tuple[Column, ...]:
        return tuple(column for column in self.columns if column.is_feature)

    @property
    def digest(self) -> str:
        """Sha-256 of the columns: two declarations with the same digest take the same requests."""
        columns = json.dumps([asdict(column) for column in self.columns], sort_keys=True)
        return hashlib.sha256(columns.encode()).hexdigest()
