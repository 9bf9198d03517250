"""`pip install .` gives the client: what the wheel holds and asks for, and that it works where the project is not."""

import json
import re
import subprocess
import sys
import zipfile
from importlib.metadata import distributions, packages_distributions
from pathlib import Path

import numpy as np
import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from tests.project.imports import ROOT, all_imports, external_imports
from tests.project.package_index import PROJECT, empty_environment, link_packages, packages_of, pip
from tests.serving.client_world import ALLOWED, RAW, truth_of, url_of

CLIENT = ROOT / "serving/client/__init__.py"
DECLARED = {requirement.name: requirement for requirement in map(Requirement, PROJECT["project"]["dependencies"])}
LOCKS = ("dev", "load", "pipeline", "serving")  # of the environments in which the client runs here
LOCKED = re.compile(r"^([\w.-]+)==([^\s;\\]+)", flags=re.M)
CALL = """
import asyncio, json, sys
import polars as pl
import serving
from serving.client import AsyncCtrClient, CtrClient

async def asked(url, rows):
    async with AsyncCtrClient(url) as client:
        return await client.predict(rows)

rows, grpc, http = pl.read_parquet(sys.argv[1]), sys.argv[2], sys.argv[3]
with CtrClient(grpc) as one, CtrClient(http, "http") as other:
    answers = [one.predict(rows), other.predict(rows), asyncio.run(asked(grpc, rows))]
print(json.dumps({"from": serving.__file__, "answers": [answer.probability.tolist() for answer in answers]}))
"""


def needed_files() -> set[str]:
    """The client's modules, those that they import, and the __init__ files of their packages."""
    modules = {CLIENT, *all_imports(CLIENT)}
    packages = {folder / "__init__.py" for file in modules for folder in file.parents if ROOT in folder.parents}
    return {str(file.relative_to(ROOT)) for file in modules | packages}


def locked(name: str) -> dict[str, Version]:
    found = LOCKED.findall((ROOT / f"requirements/{name}.lock").read_text())
    return {canonicalize_name(package): Version(version) for package, version in found}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    pip(sys.executable, "wheel", "--quiet", "--no-deps", "--wheel-dir", folder, ROOT)
    (built,) = folder.iterdir()
    return built


def test_the_version_is_that_of_the_changelog():
    released = re.findall(r"^## \[(\d\S*)\]", (ROOT / "CHANGELOG.md").read_text(), flags=re.M)
    version = Version(PROJECT["project"]["version"])
    newest = max(map(Version, released), default=Version("0"))
    assert version == newest or (version.is_devrelease and version > newest)


def test_what_the_client_imports_is_declared_and_nothing_else():
    imported = {name for file in needed_files() for name in external_imports(ROOT / file)} - {"contracts", "serving"}
    distributions = packages_distributions()
    assert {canonicalize_name(distributions[name][0]) for name in imported - {*sys.stdlib_module_names}} == {*DECLARED}


def test_each_bound_is_the_oldest_version_that_is_locked():
    for name, requirement in DECLARED.items():
        versions = [found for lock in LOCKS if (found := locked(lock).get(canonicalize_name(name)))]
        assert str(requirement.specifier) == f">={min(versions)}", name


@pytest.mark.index
def test_the_wheel_holds_what_the_client_needs_and_nothing_else(wheel):
    with zipfile.ZipFile(wheel) as file:
        names = {name for name in file.namelist() if ".dist-info/" not in name}
    assert names == needed_files() | {"contracts/py.typed", "serving/py.typed"}
    assert {"serving/client/client.py", "contracts/tables/spellings.py"} < names


def from_this_environment(wheel: Path, python: Path) -> None:
    link_packages(DECLARED.values(), packages_of(python))
    pip(sys.executable, "--python", python, "install", "--quiet", "--no-compile", "--no-index", "--no-deps", wheel)


def from_the_index(wheel: Path, python: Path) -> None:
    constraints = python.parent / "locked.txt"
    constraints.write_text("".join(f"{name}=={version}\n" for name, version in locked("dev").items()))
    pip(sys.executable, "--python", python, "install", "--quiet", "--no-compile", "--constraint", constraints, wheel)


@pytest.mark.index
@pytest.mark.triton
@pytest.mark.parametrize("install", [from_this_environment, pytest.param(from_the_index, marks=pytest.mark.slow)])
def test_an_installed_client_gets_the_probabilities_of_evaluation(wheel, strict_exported, strict_server, tmp_path, install):
    """In an environment that holds nothing but what the wheel asks for, from a folder where the project is not."""
    python = empty_environment(tmp_path / "venv")
    install(wheel, python)
    pip(sys.executable, "--python", python, "check")
    held = {canonicalize_name(one.name) for one in distributions(path=[str(packages_of(python))])}
    assert {*map(canonicalize_name, DECLARED), "adclick-client"} <= held and not held & {"torch", "dvc", "onnxruntime", "pandas"}

    RAW.write_parquet(tmp_path / "rows.parquet")
    urls = [url_of(strict_server, protocol) for protocol in ("grpc", "http")]
    command = [python, "-I", "-c", CALL, tmp_path / "rows.parquet", *urls]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert Path(told["from"]).is_relative_to(tmp_path / "venv")
    truth = truth_of(strict_exported)
    assert np.abs(np.array(told["answers"]) - [truth[row] for row in RAW["id"]]).max() <= ALLOWED
