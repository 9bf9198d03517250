"""The declaration of a data set, `conf/data/<name>.yaml`: where it lies, how it is written, what its columns are."""

import hashlib
import json
from collections import Counter
from dataclasses import asdict, replace
from itertools import chain
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator
from pydantic.dataclasses import dataclass

from contracts.dataset.columns import OUTCOME, Column, Role, check_slices
from contracts.dataset.computed import as_given, check_computed
from contracts.dataset.lists import check_fold, slots_of
from contracts.dataset.ranges import expand_ranges
from contracts.dataset.source import STRICT, Images, LeftOut, Source
from contracts.dataset.unfold import ImpressionLists, check_lists

UNREQUESTED = ("description", "keep", "since", "folder")  # what a column says that changes no request
LATER = (  # keys that came later: where they say nothing, requests are as before
    *("at_least", "suffix", "scale", "minus", "unit"),
    *("longest", "delimiter", "end", "pool", "vocabulary", "slot_of"),
    *("ratio", "difference", "cross", "so_far"),
)


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
    columns: tuple[Column, ...]  # as declared, and then with the slots of each of `lists` in its place
    lists: tuple[Column, ...] = ()  # never given: those of the declared columns whose cells hold several values
    leave_out: tuple[LeftOut, ...] = ()
    unfold: ImpressionLists | None = None  # where a row of the files holds several impressions
    images: Images | None = None
    slices: tuple[str, ...] | None = None  # columns by which evaluation is reported beside the total
    split: Split

    @field_validator("columns", "leave_out", mode="before")
    @classmethod
    def _ranges(cls, entries: Any) -> Any:
        return expand_ranges(list(entries)) if isinstance(entries, list | tuple) else entries

    @model_validator(mode="after")
    def _roles_fit(self) -> "Declaration":
        self._give_slots()
        names = Counter([c.name for c in (*self.columns, *self.lists)] + [c.name for c in self.leave_out])
        twice = [name for name, count in names.items() if count > 1]
        if twice:
            raise ValueError(f"column '{twice[0]}' is declared twice")
        single: tuple[Role, ...] = ("label", "time", "creative", "key", "entity", "impressions", "clicks", "weight")
        for role in single:
            if len(self.by_role(role)) > 1:
                raise ValueError(f"role {role} is given to {[c.name for c in self.by_role(role)]}; one column can have it")
        self._outcome_is_said()
        if self.unfold is not None:
            left_out = {column.name for column in self.leave_out}
            check_lists(self.unfold, self.columns, self.source.joins, left_out)
        if not self.features:
            raise ValueError("no column is a feature; give at least one the role categorical or numeric")
        needs: tuple[tuple[bool, Role, str], ...] = (
            (self.split.by == "time", "time", "split.by time"),
            (self.images is not None, "creative", "images"),
            (self.split.exclude_entities, "entity", "split.exclude_entities"),
        )
        for needed, role, why in needs:
            if needed and not self.by_role(role):
                raise ValueError(f"{why} needs a column with role {role}")
        if self.split.by == "time" and self.time is not None and self.time.nullable:
            raise ValueError(f"column '{self.time.name}': split.by time needs every row's time, so it cannot be nullable")
        self._references_exist()
        return self

    def _outcome_is_said(self) -> None:
        label, impressions, clicks = (bool(self.by_role(role)) for role in ("label", "impressions", "clicks"))
        if not label and not impressions and not clicks:
            raise ValueError("no column has role label (or, where a row counts many, the roles impressions and clicks)")
        if impressions != clicks:
            there, lacking = ("impressions", "clicks") if impressions else ("clicks", "impressions")
            raise ValueError(f"a column has role {there} and none has role {lacking}; rows that count impressions need both")
        if label and clicks:
            raise ValueError(
                f"'{self.by_role('label')[0].name}' has role label and '{self.by_role('clicks')[0].name}' role clicks; "
                "a row has a label, or counts of impressions and clicks"
            )

    def _give_slots(self) -> None:
        """Puts slots in the place of columns with several values, in the object that is being made."""
        found = tuple(column for column in self.columns if column.is_list)
        if found:
            slotted = [slots_of(column) if column.is_list else (column,) for column in self.columns]
            object.__setattr__(self, "lists", found)
            object.__setattr__(self, "columns", tuple(chain.from_iterable(slotted)))
        slots = {(slot.slot_of, slot.name) for column in self.lists for slot in slots_of(column)}
        held = {(column.slot_of, column.name) for column in self.columns if column.slot_of is not None}
        if slots != held and self.source.kind != "served":  # served rows lie as slots
            raise ValueError("lists and slot_of are no keys of a declaration; give columns the role set or sequence")
        for column in self.lists:
            other = next((c for c in (*self.columns, *self.lists) if c.name == column.vocabulary), None)
            fits = other is not None and (other.is_categorical or other.is_list) and not (other.vocabulary or other.made_of)
            if column.vocabulary is not None and (other is None or not fits or other.dtype != column.dtype):
                raise ValueError(
                    f"column '{column.name}': vocabulary '{column.vocabulary}' is no column of dtype {column.dtype} with a "
                    "vocabulary of its own; name one with role categorical, creative, entity, set or sequence"
                )

    def _references_exist(self) -> None:
        declared = {c.name for c in self.written if c.is_read}
        in_files = {c.name for c in self.written if c.is_read and c.folder is None}
        if self.unfold is not None:
            in_files = in_files - {*self.made_of_lists} | {self.unfold.column}
        unknown = next(((old, new) for old, new in self.source.rename.items() if new not in in_files), None)
        if unknown is not None:
            raise ValueError(
                f"source.rename calls '{unknown[0]}' '{unknown[1]}', and no column that is read is declared so; "
                "declare it among columns by its new name"
            )
        named = {*declared, *(column.name for column in self.leave_out)} - {*self.source.rename.values()}
        lost = next((old for old in self.source.rename if old in named), None)
        if lost is not None:
            raise ValueError(
                f"source.rename calls '{lost}' '{self.source.rename[lost]}', and '{lost}' is declared too; "
                "take one of the two away"
            )
        for join in self.source.joins:
            unknown_key = next((key for key in join.keys if key not in declared), None)
            if unknown_key is not None:
                raise ValueError(
                    f"the join's key '{unknown_key}' is not among columns; declare it (role info if it is no feature)"
                )
            several = next((column.name for column in self.lists if column.name in join.keys), None)
            if several is not None:
                raise ValueError(f"the join's key '{several}' holds several values in a cell; a key is one value")
            for key in map(self.column, join.keys):
                if key is not None and (key.suffix is not None or key.scale is not None):
                    raise ValueError(
                        f"the join's key '{key.name}' has a suffix or a scale; keys are compared as they are written"
                    )
            check_fold(join, {column.name: column for column in self.written})
            matched = self.column(join.matched)
            is_one = matched is not None and matched.name in in_files and matched.dtype == "bool" and not matched.labels
            if join.matched is not None and not is_one:
                raise ValueError(f"the join's matched '{join.matched}' must be among columns with dtype bool, without labels")
        late = next(
            (c for c in self.columns if c.since is not None and self.source.order and c.since not in self.source.order), None
        )
        if late is not None:
            order = ", ".join(self.source.order)
            raise ValueError(f"column '{late.name}': since '{late.since}' is no partition of source.order ({order})")
        check_slices("slices", self.slices or (), self.columns)
        check_computed(self.columns, (column.name for column in self.lists))
        for column in self.columns:
            for said, name in (("derive_from", column.derive_from), ("minus", column.minus)):
                instant = self.column(name)
                if name is not None and (instant is None or instant.dtype != "datetime"):
                    raise ValueError(f"column '{column.name}': {said} '{name}' is no declared datetime column")

    def column(self, name: str | None) -> Column | None:
        return next((column for column in self.columns if column.name == name), None)

    @property
    def written(self) -> tuple[Column, ...]:
        """The columns as files hold them: those with several values as one."""
        whole = {column.name: column for column in self.lists}
        found = [whole.get(column.slot_of or "", column) for column in self.columns]
        return tuple({column.name: column for column in found}.values())

    def by_role(self, role: Role) -> tuple[Column, ...]:
        return tuple(column for column in self.columns if column.role == role)

    @property
    def label(self) -> Column:
        """The column that says 0 or 1; of rows that count many, from the split on, that of their clicks."""
        return (*self.by_role("label"), *self.by_role("clicks"))[0]

    @property
    def made_of_lists(self) -> tuple[str, ...]:
        """Names of the columns that come out of lists of impressions."""
        return () if self.unfold is None else self.unfold.made(self.label.name)

    @property
    def impressions(self) -> Column | None:
        return next(iter(self.by_role("impressions")), None)

    @property
    def weight(self) -> Column | None:
        return next(iter(self.by_role("weight")), None)

    @property
    def optional_to_score(self) -> frozenset[str]:
        """Columns that rows need not have to be scored: what came of them, and what is left out."""
        outcome = {column.name for column in self.columns if column.role in OUTCOME}
        return frozenset(outcome | {column.name for column in self.leave_out})

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
    def so_far(self) -> tuple[Column, ...]:
        """The columns that are counted over the rows before."""
        return tuple(column for column in self.columns if column.so_far is not None)

    @property
    def given(self) -> "Declaration":
        """The declaration of rows for which their caller has counted: what is so far is read like other columns."""
        return replace(self, columns=tuple(as_given(column) for column in self.columns)) if self.so_far else self

    @property
    def digest(self) -> str:
        """Sha-256 of the columns: two declarations with the same digest take the same requests."""
        columns = [
            {key: value for key, value in asdict(c).items() if key not in UNREQUESTED and (value is not None or key not in LATER)}
            for c in (*self.columns, *self.lists)
        ]
        return hashlib.sha256(json.dumps(columns, sort_keys=True).encode()).hexdigest()
