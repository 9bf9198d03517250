"""Models that are routed to: two declarations, of which the second has columns more, that may be missing."""

from collections.abc import Callable
from copy import deepcopy
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tests.made_once import made_once
from tests.serving.served_world import exported_with, request_spec
from tests.stages.exported_world import export_small_model
from tests.stages.pipeline_world import COLUMNS, declaration, write_month

SERVED = {"native": False, "metrics_interval_s": 0.1}
MORE = [
    {"name": "slot", "role": "categorical", "dtype": "string", "nullable": True, "keep": True},
    {"name": "depth", "role": "numeric", "dtype": "float", "nullable": True, "keep": True},
]


def columns(is_wide: bool) -> list[dict[str, Any]]:
    found = deepcopy(COLUMNS)
    next(column for column in found if column["name"] == "user")["feature"] = True
    return [MORE[0], *found[:-1], MORE[1], found[-1]] if is_wide else found


def write_wide_month(source: Path, month: int, num_rows: int) -> None:
    path = write_month(source, month, num_rows) / "rows.csv"
    rows = pl.read_csv(path)
    number = pl.int_range(pl.len())
    rows.with_columns(
        slot=pl.when(number % 7 > 0).then(pl.format("slot {}", number % 3)), depth=pl.when(number % 5 > 0).then(number % 11)
    ).write_csv(path)


def released(exported: Path, folder: Path, break_it: Callable[[Path], None], **changes: Any) -> Path:
    """A repository as that of the champion, in which something is wrong."""
    repository = exported_with(exported, folder, **{"instances": 1} | SERVED | changes)
    break_it(repository / "ctr" / "1")
    return repository


@pytest.fixture(scope="session")
def keyed_exported(tmp_path_factory):
    """A project folder with an exported model whose requests have the user, who is the entity."""
    make = partial(export_small_model, data=declaration(columns=columns(False)))
    return made_once(tmp_path_factory, "keyed", make)


@pytest.fixture(scope="session")
def wide_exported(tmp_path_factory):
    """The same with two columns more."""
    make = partial(export_small_model, data=declaration(columns=columns(True)), write=write_wide_month)
    return made_once(tmp_path_factory, "wide", make)


@pytest.fixture(scope="session")
def champion(keyed_exported, tmp_path_factory):
    """A repository whose `ctr` is the Python model, in one process."""
    return exported_with(keyed_exported, tmp_path_factory.mktemp("champion") / "repository", instances=1, **SERVED)


@pytest.fixture(scope="session")
def keyed_spec(keyed_exported):
    return request_spec(keyed_exported)


@pytest.fixture(scope="session")
def keyed_rows(keyed_exported):
    return pl.read_parquet(keyed_exported / "data/split/test.parquet")
