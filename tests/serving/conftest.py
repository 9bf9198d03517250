"""Triton as the tests of this folder share it."""

import importlib
import sys
import types
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from tests.made_once import made_once
from tests.serving.served_world import REPOSITORY, exported_with, request_spec, serving
from tests.serving.strict_world import STRICT_LIMITS, strict_declaration, write_strict_month
from tests.stages.exported_world import export_small_model


@pytest.fixture(scope="session")
def server(exported, tmp_path_factory):
    """Triton with the small exported model. Tests leave it as it is: model, store and settings."""
    with serving(tmp_path_factory.mktemp("served"), exported / REPOSITORY) as running:
        yield running


@pytest.fixture(scope="session")
def spec(exported):
    """What a request to the small model looks like."""
    return request_spec(exported)


@pytest.fixture(scope="session")
def strict_exported(tmp_path_factory):
    """A project folder with an exported model whose columns have every rule, to be read only."""

    def export(folder: Path) -> None:
        export_small_model(folder, strict_declaration(), write_strict_month)

    return made_once(tmp_path_factory, "strict", export)


@pytest.fixture(scope="session")
def strict_server(strict_exported, tmp_path_factory):
    """Triton with that model and short limits. Tests leave it as it is."""
    folder = tmp_path_factory.mktemp("strict_served")
    with serving(folder, exported_with(strict_exported, folder / "repository", **STRICT_LIMITS)) as running:
        yield running


@pytest.fixture(scope="session")
def strict_spec(strict_exported):
    return request_spec(strict_exported)


@pytest.fixture(scope="session")
def strict_rows(strict_exported):
    """Fifty clean rows."""
    return pl.read_parquet(strict_exported / "data/split/test.parquet", n_rows=50)


@pytest.fixture(scope="session")
def exported_rows(exported):
    """The test split of the small model."""
    return pl.read_parquet(exported / "data/split/test.parquet")


@pytest.fixture
def inside_triton(monkeypatch) -> Callable[[str], types.ModuleType]:
    """Imports a module that runs inside Triton, with a stand-in for what Triton gives it; `said` is what it logs."""
    stand_in = types.ModuleType("triton_python_backend_utils")
    stand_in.said = []
    stand_in.Logger = types.SimpleNamespace(log_warn=stand_in.said.append, log_error=stand_in.said.append)
    stand_in.TritonModelException = type("TritonModelException", (Exception,), {})
    monkeypatch.setitem(sys.modules, stand_in.__name__, stand_in)

    def load(name: str) -> types.ModuleType:
        for known in [key for key in sys.modules if key.startswith("serving.triton.")]:
            monkeypatch.delitem(sys.modules, known)
        return importlib.import_module(name)

    return load
