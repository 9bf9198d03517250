"""Libraries that would write to the home folder or report to a host: who may import them, and when they are told not to."""

import ast
import os
import re
import subprocess
import sys
from configparser import ConfigParser
from pathlib import Path

import pytest

from contracts import local_libraries
from contracts.local_libraries import FONT_CACHE, NO_TELEMETRY, keep_matplotlib_here
from tests.project.imports import ROOT, all_imports, external_imports, syntax_tree

FOLDERS = ("contracts", "stages", "serving", "loadtests", "lifecycle", "bench")
DRAWS = {"matplotlib", "pytorch_lightning"}  # Lightning's metrics import matplotlib
MODULES = [path for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*.py"))]
PROGRAMS = [path for path in MODULES if 'if __name__ == "__main__":\n    ' in path.read_text()]
IMPORTS_BY_NAME = {ROOT / "bench/pipeline/timed_stage.py"}  # of a stage


def imported_at_run_time(path: Path) -> set[str]:
    """Packages that a module imports, those for type checkers alone left out."""
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            node.body = [ast.Pass()]
    names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    return {name.split(".")[0] for name in names}


def is_told_first(path: Path) -> bool:
    """Does the program call `keep_matplotlib_here` before anything but its docstring and language switches."""
    body = [node for node in syntax_tree(path).body if not isinstance(node, ast.Expr)]
    first = next(node for node in body if ast.unparse(node) != "from __future__ import annotations")
    return isinstance(first, ast.If) and "keep_matplotlib_here()" in ast.unparse(first)


def test_onnx_runtime_is_imported_in_one_place():
    assert [path for path in MODULES if "onnxruntime" in imported_at_run_time(path)] == [ROOT / "contracts/local_libraries.py"]


@pytest.mark.parametrize("path", PROGRAMS, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_program_that_draws_tells_matplotlib_its_folder_before_it_imports_anything(path):
    draws = path in IMPORTS_BY_NAME or any(DRAWS & external_imports(module) for module in (path, *all_imports(path)))
    assert is_told_first(path) == draws


def test_there_are_programs():
    assert {"stages/train.py", "loadtests/run.py", "bench/training/resident_loop.py"} <= {
        str(path.relative_to(ROOT)) for path in PROGRAMS
    }


def test_nothing_is_told_by_an_import_alone():
    code = "import os; before = dict(os.environ); import contracts.local_libraries; assert dict(os.environ) == before"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, env={}, check=False).returncode == 0


def test_onnx_runtime_is_told_before_it_is_imported():
    code = (
        "import os, sys\nfrom contracts.local_libraries import onnx_runtime\nclass Finder:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name == 'onnxruntime': print(os.environ['ORT_DISABLE_TELEMETRY'])\n"
        "sys.meta_path.insert(0, Finder())\nprint(onnx_runtime().__name__)"
    )
    said = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env={}, capture_output=True, text=True, check=True).stdout
    assert said.split() == ["1", "onnxruntime"]


def test_the_font_list_lies_in_the_project_unless_somebody_has_said_where(monkeypatch):
    monkeypatch.delenv("MPLCONFIGDIR", raising=False)
    keep_matplotlib_here()
    assert os.environ["MPLCONFIGDIR"] == str(ROOT / FONT_CACHE) and local_libraries.ROOT == ROOT
    monkeypatch.setenv("MPLCONFIGDIR", "/elsewhere")
    keep_matplotlib_here()
    assert os.environ["MPLCONFIGDIR"] == "/elsewhere"
    assert f"/{FONT_CACHE.parts[0]}/" in (ROOT / ".gitignore").read_text().splitlines()


def test_dvc_reports_nothing_and_asks_for_nothing():
    config = ConfigParser()
    config.read(ROOT / ".dvc/config")
    assert not config.getboolean("core", "analytics") and not config.getboolean("core", "check_update")
    assert config.getboolean("studio", "offline")


def test_the_container_is_told_before_anything_is_imported_in_it():
    dockerfile = (ROOT / "deploy/triton.Dockerfile").read_text()
    (name, value), = NO_TELEMETRY.items()  # fmt: skip
    assert re.search(rf"^ENV {name}={value}$", dockerfile, flags=re.M).start() < dockerfile.index("\nRUN ")
