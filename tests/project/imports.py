"""What a module of the project imports, directly and through others, read from the source without running it."""

import ast
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("contracts", "stages", "serving", "loadtests", "lifecycle", "bench")


@cache
def syntax_tree(path: Path) -> ast.Module:
    """The source of `path`, parsed once for all tests of a process: to be read only."""
    return ast.parse(path.read_text())


@cache
def direct_imports(path: Path) -> frozenset[Path]:
    """Project files that `path` imports, with the __init__ files of their packages where those import something."""
    found = set()
    for node in ast.walk(syntax_tree(path)):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        for name in names:
            place = ROOT.joinpath(*name.split("."))
            if name.split(".")[0] in PACKAGES:
                packages = [folder / "__init__.py" for folder in (place, *place.parents) if ROOT in folder.parents]
                found |= {file for file in packages if file.is_file() and external_imports(file)}
                found |= {place.with_suffix(".py")} if place.with_suffix(".py").is_file() else set()
    return frozenset(found - {path})


@cache
def all_imports(path: Path) -> frozenset[Path]:
    """The transitive closure of `direct_imports`, `path` itself left out."""
    seen: set[Path] = set()
    waiting = [path]
    while waiting:
        for file in direct_imports(waiting.pop()) - seen:
            seen.add(file)
            waiting.append(file)
    return frozenset(seen - {path})


@cache
def external_imports(path: Path) -> frozenset[str]:
    """Top-level names of everything `path` imports."""
    names = set()
    for node in ast.walk(syntax_tree(path)):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            names.add(node.module.split(".")[0])
    return frozenset(names)
