"""Where things lie: imports between folders make no circle and point downwards, folders and files stay small."""

from collections import Counter
from graphlib import CycleError, TopologicalSorter
from pathlib import Path, PurePosixPath

import pytest

from tests.project.imports import PACKAGES, ROOT, all_imports, direct_imports
from tests.project.test_rules import PYTHON_FILES, TRACKED

MOST_FILES, MOST_LINES, MOST_LINES_OF_A_TEST = 16, 260, 320
MANY_FILES = {"tests", "stages"}  # a test for each thing, a script for each stage
MODULES = [path for path in PYTHON_FILES if path.relative_to(ROOT).parts[0] in PACKAGES]
SOURCES = {".py", ".c", ".h", ".sh", ".j2"}


def lies_below(path: Path, folder: Path) -> bool:
    return folder in path.parents and path.parent != folder


def stands_on_folders(path: Path) -> bool:
    """Does a module import, itself or through others, what lies in a folder below its own."""
    return any(lies_below(file, path.parent) for file in all_imports(path))


def place(path: Path) -> str:
    """The folder of a module, or the module, where that stands on folders below its own: two layers in one folder."""
    return str((path if stands_on_folders(path) else path.parent).relative_to(ROOT))


def test_imports_between_folders_make_no_circle():
    graph = {place(path): set[str]() for path in MODULES}
    for path in MODULES:
        graph[place(path)] |= {place(file) for file in direct_imports(path)} - {place(path)}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(f"circle of imports: {' <- '.join(error.args[1])}")


def test_nothing_below_imports_what_stands_on_it():
    wrong = [
        f"{path.relative_to(ROOT)} imports {file.relative_to(ROOT)}"
        for path in MODULES
        for file in direct_imports(path)
        if lies_below(path, file.parent) and stands_on_folders(file)
    ]
    assert wrong == []


def test_a_folder_holds_few_files():
    """A header belongs to its .c, what is locked to its lock; both count once."""
    names = {PurePosixPath(name) for name in TRACKED if name and (ROOT / name).is_file()}
    counted = [
        name for name in names if not (name.suffix == ".h" or (name.suffix == ".in" and name.with_suffix(".lock") in names))
    ]  # fmt: skip
    held = Counter(name.parent for name in counted if name.parts[0] not in MANY_FILES)
    assert {str(folder): number for folder, number in held.items() if number > MOST_FILES} == {}


def test_three_files_with_one_prefix_are_a_folder():
    families = Counter(
        path.parent.relative_to(ROOT) / path.stem.partition("_")[0] for path in MODULES if path.name != "__init__.py"
    )  # fmt: skip
    named = {family for family, number in families.items() if number >= 3 and family.parts[0] not in MANY_FILES}
    assert {str(family) for family in named} == set()


def test_files_stay_readable():
    files = [ROOT / name for name in TRACKED if PurePosixPath(name).suffix in SOURCES and (ROOT / name).is_file()]
    bounds = {path: MOST_LINES_OF_A_TEST if path.relative_to(ROOT).parts[0] == "tests" else MOST_LINES for path in files}
    long = {str(path.relative_to(ROOT)): n for path, most in bounds.items() if (n := len(path.read_text().splitlines())) > most}
    assert long == {} and {path.suffix for path in files} >= {".py", ".c", ".sh"}
