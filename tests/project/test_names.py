"""One name, one thing: a class's name is found once, and documents explain the words that are ours."""

import ast
from collections import defaultdict

from tests.project.imports import PACKAGES, ROOT, syntax_tree
from tests.project.test_rules import PYTHON_FILES

SHARED = {"TritonPythonModel"}  # Triton asks each of its Python models for a class of this name
PRIVATE_WORDS = ("plain", "careful", "door", "kind", "shape", "release", "peer", "soak")


def test_no_two_classes_share_a_name():
    found = defaultdict(list)
    for path in PYTHON_FILES:
        if path.relative_to(ROOT).parts[0] in PACKAGES:
            for node in syntax_tree(path).body:
                if isinstance(node, ast.ClassDef):
                    found[node.name].append(str(path.relative_to(ROOT)))
    assert {name: places for name, places in found.items() if len(places) > 1 and name not in SHARED} == {}
    assert set(found) >= SHARED


def test_functions_say_what_comes_back():
    """A participle as the name of a function of a module says only that something was done."""
    vague = {"described", "told", "said", "made", "done"}
    wrong = [
        f"{path.relative_to(ROOT)}: {node.name}"
        for path in PYTHON_FILES
        if path.relative_to(ROOT).parts[0] in PACKAGES
        for node in syntax_tree(path).body
        if isinstance(node, ast.FunctionDef) and node.name.strip("_") in vague
    ]
    assert wrong == []


def test_words_that_are_ours_are_explained():
    glossary = (ROOT / "docs/architecture.md").read_text().partition("\n## Words\n")[2].partition("\n## ")[0]
    assert [word for word in PRIVATE_WORDS if f"| {word} |" not in glossary] == []
