"""With this folder in PYTHONPATH a Python, and every one that it starts, imports only what a bare GPU machine has.

That is the standard library, the project, the packages of ROOTS, and what those need.
"""

import re
import sys
from importlib.machinery import PathFinder
from importlib.metadata import PackageNotFoundError, packages_distributions, requires

ROOTS = (
    "torch", "pytorch-lightning", "numpy", "scipy", "safetensors", "onnx", "onnxruntime", "PyYAML", "nvidia-ml-py", "pytest",
    "pyarrow", "psutil",
)  # fmt: skip
PROJECT = {"bench", "contracts", "stages", "tests", "sitecustomize"}


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def needed(roots: tuple[str, ...]) -> set[str]:
    """The distributions `roots` and what they require, but for extras."""
    found: set[str] = set()
    waiting = [normal(root) for root in roots]
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        found.add(name)
        try:
            lines = requires(name) or []
        except PackageNotFoundError:
            continue
        waiting += [normal(re.match(r"[\w.-]+", line)[0]) for line in lines if "extra ==" not in line]
    return found


class FewPackages:
    """PathFinder, but for packages in `hidden`; of distributions it knows those in `kept`."""

    def __init__(self, hidden: set[str], kept: set[str]) -> None:
        self.hidden, self.kept = hidden, kept

    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in self.hidden:
            return None
        return PathFinder.find_spec(name, path, target)

    def find_distributions(self, *arguments, **keywords):
        return (one for one in PathFinder.find_distributions(*arguments, **keywords) if normal(one.name) in self.kept)

    @staticmethod
    def invalidate_caches() -> None:
        PathFinder.invalidate_caches()


def hide_other_packages() -> None:
    kept = needed(ROOTS)
    offered = packages_distributions()
    hidden = {name for name, distributions in offered.items() if not {normal(one) for one in distributions} & kept}
    few = FewPackages(hidden - PROJECT, kept)
    sys.meta_path[:] = [few if finder is PathFinder else finder for finder in sys.meta_path]


hide_other_packages()
