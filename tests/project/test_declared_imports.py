"""Every distribution that code imports is chosen in the requirements/*.in of the environment in which that code runs."""

import re
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.utils import canonicalize_name

from tests.project.imports import ROOT, all_imports, external_imports
from tests.project.test_rules import ALLOWED, PYTHON_FILES, files_of

PEERS = ROOT / "loadtests/peers/servers"
IN_OTHER_PLACES = {"triton_python_backend_utils"}  # Triton gives it to its Python processes
ONLY_WHERE_IT_IS = {  # modules that an environment's code imports, and what they import only inside a function it never calls
    "load": {"contracts/local_libraries.py": {"onnxruntime"}},
}

BESIDE_SERVER = ("deploy", "route", "rollout/control", "rollout/evidence", "rollout/statistics")  # of lifecycle/


def peer(*names: str) -> list[Path]:
    return [path for path in PYTHON_FILES if PEERS in path.parents and any(name in str(path) for name in names)]


RUN = {  # environment -> what starts in it; what that imports runs there too
    "pipeline": files_of("stages"),
    "serving": [
        *files_of("serving"),
        *(path for path in files_of("lifecycle") if str(path.parent.relative_to(ROOT / "lifecycle")) in BESIDE_SERVER),
        ROOT / "lifecycle/rollout/__main__.py",
    ],
    "load": [
        *(path for path in files_of("loadtests") if ROOT / "loadtests/peers" not in path.parents),
        *(path for path in files_of("lifecycle") if ROOT / "lifecycle/gate" in path.parents),
    ],
    "peers": [ROOT / "bench/training/peer_train.py"],
    "peers/evidently": [ROOT / "bench/monitor/peers/evidently_defaults.py"],
    "compare": peer("bentoml", "fastapi", "litserve"),
    "compare-mlserver": peer("mlserver"),
}
RUN["dev"] = [
    path
    for path in PYTHON_FILES
    if path not in {*RUN["load"], *RUN["peers"], *RUN["peers/evidently"]} and PEERS not in path.parents
]


def chosen(name: str) -> set[str]:
    """The distributions that requirements/NAME.in chooses, itself or through another that it includes."""
    text = (ROOT / f"requirements/{name}.in").read_text()
    found = {canonicalize_name(package) for package in re.findall(r"^([\w.-]+)(?:\[[\w,]+\])?==", text, flags=re.M)}
    return found.union(*(chosen(included) for included in re.findall(r"^-r ([\w-]+)\.in$", text, flags=re.M)))


def test_every_file_runs_in_some_environment():
    started = {path for paths in RUN.values() for path in paths}
    reached = started.union(*(all_imports(path) for path in started))
    assert {*PYTHON_FILES} - reached - {path for path in PYTHON_FILES if path.name == "__init__.py"} == set()


@pytest.mark.parametrize("environment", RUN)
def test_what_is_imported_is_declared(environment):
    known = {*sys.stdlib_module_names, *ALLOWED, *IN_OTHER_PLACES}
    distributions, declared = packages_distributions(), chosen(environment)
    missing = set()
    for path in {*RUN[environment]}.union(*map(all_imports, RUN[environment])):
        name = str(path.relative_to(ROOT))
        for imported in external_imports(path) - known - ONLY_WHERE_IT_IS.get(environment, {}).get(name, set()):
            offered = {canonicalize_name(distribution) for distribution in distributions.get(imported, [imported])}
            if not offered & declared:
                missing.add(f"requirements/{environment}.in lacks {' or '.join(offered)}, which {name} imports")
    assert sorted(missing) == []
