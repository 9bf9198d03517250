"""Rules of the project: what the folders may import, what dvc.yaml must say, what README may name."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from packaging.utils import canonicalize_name

from stages import acquire, export, validate
from tests.project.imports import ROOT, all_imports, external_imports, syntax_tree

PIPELINES = [yaml.safe_load((ROOT / name).read_text())["stages"] for name in ("dvc.yaml", "data/dvc.yaml")]
STAGES = {name: stage for stages in PIPELINES for name, stage in stages.items()}
TRACKED = subprocess.run(
    ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
    cwd=ROOT,
    capture_output=True,
    text=True,
    check=True,
).stdout.split("\n")
PYTHON_FILES = [ROOT / name for name in TRACKED if name.endswith(".py") and (ROOT / name).is_file()]
ALLOWED = {  # folder -> project packages it may import
    "contracts": {"contracts"},
    "stages": {"contracts", "stages"},
    "serving": {"contracts", "serving"},
    "loadtests": {"contracts", "serving", "loadtests"},
    "lifecycle": {"contracts", "serving", "loadtests", "lifecycle"},
    "bench": {"contracts", "stages", "serving", "loadtests", "lifecycle", "bench"},
    "tests": {"contracts", "stages", "serving", "loadtests", "lifecycle", "bench", "tests"},
}


def files_of(folder: str) -> list[Path]:
    return [path for path in PYTHON_FILES if path.relative_to(ROOT).parts[0] == folder]


@pytest.mark.parametrize("folder", ALLOWED)
def test_imports_point_one_way(folder):
    forbidden = set(ALLOWED) - ALLOWED[folder]
    wrong = {str(path.relative_to(ROOT)): names for path in files_of(folder) if (names := external_imports(path) & forbidden)}
    assert wrong == {}


@pytest.mark.parametrize("folder", ["contracts", "serving", "lifecycle"])
def test_what_serves_and_follows_needs_neither_torch_nor_lightning(folder):
    for path in files_of(folder):
        assert not external_imports(path) & {"torch", "pytorch_lightning", "lightgbm", "hydra"}, path


def test_models_inside_triton_need_little():
    allowed = {*sys.stdlib_module_names, "numpy", "onnxruntime", "PIL", "triton_python_backend_utils", "contracts", "serving"}
    taken_along = {
        *(
            "contracts/clock.py",
            "contracts/files.py",
            "contracts/local_libraries.py",
            "contracts/tables/images.py",
            "contracts/tables/spellings.py",
        ),
        *("contracts/files.py", "contracts/serving/fuse.py", "contracts/serving/packed_text.py", "contracts/serving/route.py"),
        "contracts/serving/list_cells.py",
    }
    for path in files_of("serving"):
        if path.relative_to(ROOT).parts[:2] == ("serving", "triton"):
            assert external_imports(path) <= allowed, path
            inner = {str(found.relative_to(ROOT)) for found in all_imports(path)}
            assert {name for name in inner if not name.startswith("serving/triton/")} <= taken_along, path


@pytest.mark.parametrize("stage", STAGES)
def test_every_stage_has_a_script_and_a_test(stage):
    assert STAGES[stage]["cmd"] == f"python -m stages.{stage}"
    assert (ROOT / "stages" / f"{stage}.py").is_file()
    assert (ROOT / "tests" / "stages" / f"test_{stage}.py").is_file()


@pytest.mark.parametrize("stage", STAGES)
def test_every_module_a_stage_imports_is_in_its_deps(stage):
    deps = [ROOT / dep for dep in STAGES[stage]["deps"]]
    script = ROOT / "stages" / f"{stage}.py"
    used = {script, *all_imports(script)}
    missing = sorted(str(file.relative_to(ROOT)) for file in used if not any(dep == file or dep in file.parents for dep in deps))
    assert missing == []


@pytest.mark.parametrize("stage", STAGES)
def test_deps_name_no_module_that_the_stage_does_not_need(stage):
    script = ROOT / "stages" / f"{stage}.py"
    used = {script, *all_imports(script)}
    by_digest_or_name = {
        "compose": {"config.py", "feedback.py", "live.py", "monitor.py", "retraining.py", "rollout.py", "ab.py"},
        "export": {
            *("validate.py", "split.py", "cutting.py", "row_weights.py", "inherit.py", "fit.py", "encode.py", "train.py"),
            *("simulate", "__init__.py"),
        },
    }
    for dep in STAGES[stage]["deps"]:
        path = ROOT / dep
        is_code = path.suffix == ".py" or dep.split("/")[0] in ("contracts", "stages")
        if is_code and path.name not in by_digest_or_name.get(stage, set()):
            assert any(path == file or path in file.parents for file in used), f"{stage}: {dep}"


@pytest.mark.parametrize(
    ("stage", "code"), [("export", export.CODE), ("validate", validate.CODE), ("acquire", acquire.SIMULATOR_CODE)]
)
def test_code_that_a_stage_digests_is_in_its_deps(stage, code):
    deps = [ROOT / dep for dep in STAGES[stage]["deps"]]
    for path in (ROOT / path for path in code):
        assert path.exists() and any(dep == path or dep in path.parents for dep in deps), path


def test_every_params_key_of_a_stage_is_in_params_yaml():
    params = yaml.safe_load((ROOT / "params.yaml").read_text())
    for stage, described in STAGES.items():
        for key in described.get("params", []):
            value = params
            for part in key.split("."):
                assert part in value, f"{stage}: {key}"
                value = value[part]


def test_every_section_that_a_stage_reads_is_among_its_params():
    for stage, described in STAGES.items():
        tree = syntax_tree(ROOT / f"stages/{stage}.py")
        declared = {key.split(".")[0] for key in described.get("params", [])}
        read = {name for node in ast.walk(tree) if (name := section_read(node)) is not None}
        assert read <= declared, f"{stage} reads {sorted(read - declared)} and does not declare it"
        assert stage == "compose" or read, stage


def section_read(node: ast.AST) -> str | None:
    """The section of params.yaml that `load_section("name", ...)` or `load_params()["name"]` reads."""
    if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "load_section":
        return node.args[0].value
    if isinstance(node, ast.Subscript) and getattr(getattr(node.value, "func", None), "id", "") == "load_params":
        return node.slice.value
    return None


def test_no_output_is_written_by_two_stages():
    outs = [
        next(iter(out)) if isinstance(out, dict) else out
        for s in STAGES.values()
        for kind in ("outs", "metrics")
        for out in s.get(kind, [])
    ]
    assert len(outs) == len(set(outs))


@pytest.mark.parametrize("stage", STAGES)
def test_timings_are_neither_input_nor_output(stage):
    named = [str(entry) for kind in ("deps", "outs", "metrics") for entry in STAGES[stage].get(kind, [])]
    assert not any("timing" in entry or "revision" in entry for entry in named)


@pytest.mark.parametrize(
    "document",
    [
        "README.md",
        "examples/README.md",
        *(f"docs/{name}.md" for name in ("architecture", "add-a-data-set", "operations", "journal", "replay", "alerts")),
    ],
)
def test_paths_that_documents_name_exist(document):
    text = (ROOT / document).read_text()
    linked = re.findall(r"\]\((?!http)([^)#]+)\)", text)
    named = re.findall(r"`((?:conf|contracts|stages|tests|docs|requirements|bench|serving|loadtests)/[\w./-]*)`", text)
    for name in [*(str((ROOT / document).parent / link) for link in linked), *(str(ROOT / n) for n in named)]:
        assert Path(name).exists(), name


def test_make_targets_that_readme_names_exist():
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), flags=re.M))
    assert set(re.findall(r"make ([a-z-]+)", (ROOT / "README.md").read_text())) <= targets | {"git"}


def test_nothing_is_unpickled_or_evaluated():
    pattern = re.compile(
        r"\b(torch\.load|pickle\.loads?|joblib\.load|yaml\.load|shell=True|allow_pickle=True)\b|(?<![\w.])eval\("
    )
    for path in PYTHON_FILES:
        if path.name != "test_rules.py":
            assert not pattern.search(path.read_text()), path


def test_parquet_is_written_in_one_place():
    pattern = re.compile(r"\.(write_parquet|sink_parquet)\(|ParquetWriter\(|pq\.write_")
    product = [path for path in PYTHON_FILES if path.relative_to(ROOT).parts[0] != "tests"]
    found = [str(path.relative_to(ROOT)) for path in product if pattern.search(path.read_text())]
    assert found == ["contracts/tables/parquet.py"]


def test_no_path_of_a_machine_and_no_registry_is_committed():
    pattern = re.compile(r"/(?:home|root|Users)/\w|index-url|/opt/(?:wheels|pypi)")
    for name in TRACKED:
        path = ROOT / name
        if (
            path.suffix in (".py", ".c", ".h", ".yaml", ".md", ".lock", ".in", ".sh", ".toml")
            and path.is_file()
            and path.name != "test_rules.py"
        ):
            assert not pattern.search(path.read_text()), name


def test_lock_files_hold_what_was_chosen():
    for chosen in (ROOT / "requirements").rglob("*.in"):
        locked = versions_in(chosen.with_suffix(".lock"))
        wanted = versions_in(chosen)
        assert wanted and wanted.items() <= locked.items(), f"{chosen.name}: {wanted.items() - locked.items()}"


def versions_in(path: Path) -> dict[str, str]:
    """The exact versions that a requirements file names, by distribution."""
    found = re.findall(r"^([\w.-]+)(?:\[.*\])?==([^\s;\\]+)", path.read_text(), flags=re.M)
    return {canonicalize_name(name): version for name, version in found}


def test_what_python_writes_beside_the_code_is_no_input_of_a_stage():
    assert "__pycache__" in (ROOT / ".dvcignore").read_text().splitlines()
