"""Fixtures that tests of several folders share, and markers with the reasons to skip.

What imports torch is imported where it is used: the process that hands tests to the workers needs none of it.
"""

import os
import subprocess
from collections.abc import Callable
from functools import cache
from pathlib import Path
from shutil import which

import pytest

from contracts.local_libraries import NO_TELEMETRY, keep_matplotlib_here
from tests.made_once import made_once
from tests.native.programs import MEMORY, THREADS, ways
from tests.privacy.watched import why_not
from tests.project import package_index

SERVING = Path(__file__).parents[1] / ".venv-serving"
LOCUST = Path(__file__).parents[1] / ".venv-load/bin/locust"
PERF_ANALYZER = SERVING.with_name(".venv-load") / "perf_analyzer"
NO_TRITON = "there is no Triton in .venv-serving; run `make test`, which installs it"
NO_PERF_ANALYZER = "there is no perf_analyzer in .venv-load; run `make test`, which installs it"
NO_GPU = "there is no NVIDIA GPU here, or torch is not built for one"
NO_GCC = (
    "gcc with the sanitizers {} and libcrypto.so.3 are not all here; "
    "install what is missing (Debian, Ubuntu: apt-get install gcc libc6-dev libssl3)"
)
NO_LOCUST = "there is no Locust in .venv-load; run `make test`, which installs it"
NO_INDEX = "pip finds no package index, or none that has what builds the client's wheel; set one (pip config, PIP_INDEX_URL)"
LONGEST = (  # files that `make test` begins with, so that no worker is left with one of them at the end
    *("test_train_together.py", "test_container.py", "test_load_run.py", "test_switch.py", "test_train.py", "test_champion.py"),
    *("test_load_ui.py", "test_native.py", "test_export.py", "test_serve_command.py", "test_c_parts.py", "test_compose.py"),
    *("test_gate_run.py", "test_deploy_command.py"),
)
NO_MOUNT = "nobody may mount a file system here; root may, where the machine allows it"
NO_CHROMIUM = "Chromium is not installed; run `make services`, which installs it"
SERVICES = ("prometheus", "promtool", "prometheus-alertmanager", "amtool", "prometheus-node-exporter")
NO_SERVICES = "Prometheus, Alertmanager or node exporter is not installed; run `make services`, which installs them"
NO_COMPILER = "there is no C compiler on this machine; apt-get install gcc"


def pytest_configure(config: pytest.Config) -> None:
    os.environ.update(NO_TELEMETRY)  # before a test's file is imported, which may import what it concerns
    keep_matplotlib_here()
    config.addinivalue_line("markers", "triton: runs real Triton out of .venv-serving, which `make test` installs")
    config.addinivalue_line("markers", "perf_analyzer: runs NVIDIA's perf_analyzer out of .venv-load, which `make test` installs")
    config.addinivalue_line("markers", "chromium: opens a page in Debian's Chromium (`make services`)")
    config.addinivalue_line("markers", "services: runs Debian's Prometheus, Alertmanager or node exporter (`make services`)")
    config.addinivalue_line("markers", "compiler: compiles parts of serving/native with the machine's C compiler")
    config.addinivalue_line("markers", "gpu: trains on an NVIDIA GPU")
    config.addinivalue_line("markers", "native: compiles the C parts by gcc with the address and undefined sanitizers")
    config.addinivalue_line("markers", "native_threads: compiles the C parts by gcc with the thread sanitizer")
    config.addinivalue_line("markers", "slow: takes minutes; run by `make test-slow`, and by nothing else")
    config.addinivalue_line("markers", "index: installs from the package index that pip is configured for")
    config.addinivalue_line("markers", "alone: judges how long something takes; `make test` runs no other test beside it")
    config.addinivalue_line("markers", "mount: mounts a small file system in memory, as root")
    config.addinivalue_line("markers", "load: runs the load tests' own Python, .venv-load, which `make test` installs")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Is it a file without any test of the kind that is asked for: importing all files takes longer than some of the kinds."""
    kind = config.option.markexpr.partition(" ")[0]
    if kind in ("alone", "slow") and collection_path.is_file() and f"mark.{kind}" not in collection_path.read_text():
        return True
    return None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: item.path.name not in LONGEST)


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("triton") and not (SERVING / "triton").is_dir():
        pytest.skip(NO_TRITON)
    if item.get_closest_marker("perf_analyzer") and not (PERF_ANALYZER / "perf_analyzer").is_file():
        pytest.skip(NO_PERF_ANALYZER)
    if item.get_closest_marker("gpu") and not has_gpu():
        pytest.skip(NO_GPU)
    if item.get_closest_marker("compiler") and which("cc") is None:
        pytest.skip(NO_COMPILER)
    for marker, sanitizer in (("native", MEMORY), ("native_threads", THREADS)):
        if item.get_closest_marker(marker) and ways(sanitizer) is None:
            pytest.skip(NO_GCC.format(sanitizer))
    if item.get_closest_marker("chromium") and which("chromium") is None:
        pytest.skip(NO_CHROMIUM)
    if item.get_closest_marker("services") and not all(map(which, SERVICES)):
        pytest.skip(NO_SERVICES)
    if item.get_closest_marker("mount") and not may_mount():
        pytest.skip(NO_MOUNT)
    if item.get_closest_marker("index") and not package_index.is_there():
        pytest.skip(NO_INDEX)
    if item.get_closest_marker("load") and not LOCUST.is_file():
        pytest.skip(NO_LOCUST)


def has_gpu() -> bool:
    import torch

    return torch.cuda.is_available()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    left_out = {
        NO_TRITON: "on real Triton",
        NO_LOCUST: "of load runs",
        NO_PERF_ANALYZER: "with perf_analyzer",
        NO_COMPILER: "of C code",
        NO_CHROMIUM: "in a browser",
        NO_SERVICES: "of alerts in a real Prometheus",
        NO_GPU: "on a GPU",
        NO_MOUNT: "on a full disk",
        NO_INDEX: "of the installed client",
        NO_GCC.format(MEMORY): "of the C parts",
        NO_GCC.format(THREADS): "of the C parts' threads",
    }
    if (reason := why_not()) is not None:
        left_out[reason] = "of what commands write and whom they turn to"
    for reason, what in left_out.items():
        skipped = [report for report in terminalreporter.stats.get("skipped", []) if reason in str(report.longrepr)]
        if skipped:
            terminalreporter.write_line(f"{len(skipped)} tests {what} were skipped: {reason}")


@cache
def may_mount() -> bool:
    tried = ["unshare", "--mount", "mount", "-t", "tmpfs", "tmpfs", "/mnt"]  # gone with the process
    try:
        return subprocess.run(tried, capture_output=True, check=False).returncode == 0 and os.geteuid() == 0
    except OSError:
        return False


@pytest.fixture
def project(tmp_path, monkeypatch):
    """An empty folder as the working directory: stages read and write below it."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="session")
def exported(tmp_path_factory) -> Path:
    """A project folder with a small exported model (random weights), to be read only."""
    from tests.stages.exported_world import export_small_model

    return made_once(tmp_path_factory, "exported", export_small_model)


@pytest.fixture(scope="session")
def exported_as(tmp_path_factory) -> Callable[[str], Path]:
    """The same for a declaration of `declared_worlds`, by its name."""
    from tests.stages.declared_worlds import DECLARATIONS, OVERRIDES, write_declared
    from tests.stages.exported_world import export_small_model

    def export(name: str) -> Path:
        data = DECLARATIONS[name]
        write, overrides = write_declared(data), OVERRIDES.get(name, ())
        return made_once(tmp_path_factory, name, lambda folder: export_small_model(folder, data, write, overrides=overrides))

    return export
