"""Fixtures that tests of several folders share, and markers with the reasons to skip."""

from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from tests.stages.declared_worlds import DECLARATIONS, write_declared
from tests.stages.exported_world import export_small_model

SERVING = Path(__file__).parents[1] / ".venv-serving"
NO_TRITON = "there is no Triton in .venv-serving; run `make test`, which installs it"


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "triton: runs real Triton out of .venv-serving, which `make test` installs")


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("triton") and not (SERVING / "triton").is_dir():
        pytest.skip(NO_TRITON)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    skipped = [report for report in terminalreporter.stats.get("skipped", []) if NO_TRITON in str(report.longrepr)]
    if skipped:
        terminalreporter.write_line(f"{len(skipped)} tests on real Triton were skipped: {NO_TRITON}")


@pytest.fixture
def project(tmp_path, monkeypatch):
    """An empty folder as the working directory: stages read and write below it."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="session")
def exported(tmp_path_factory) -> Path:
    """A project folder with a small exported model (random weights), to be read only."""
    folder = tmp_path_factory.mktemp("exported")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        export_small_model(folder)
    return folder


@pytest.fixture(scope="session")
def exported_as(tmp_path_factory) -> Callable[[str], Path]:
    """The same for a declaration of `declared_worlds`, by its name."""

    @cache
    def export(name: str) -> Path:
        folder = tmp_path_factory.mktemp(name)
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(folder)
            export_small_model(folder, DECLARATIONS[name], write_declared(DECLARATIONS[name]))
        return folder

    return export
