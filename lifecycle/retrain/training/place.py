"""A training's folder: the project's files as they are now, its environments, champion and DVC cache; and rows to train on."""

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from contracts.files import link_or_copy, write_whole
from contracts.lifecycle.champion import CHAMPION, POINTER
from lifecycle.retrain.training.earlier import CLEAN, add_earlier
from lifecycle.retrain.training.order import OWN, Order, write_order

ENVIRONMENTS = (".venv", ".venv-serving", ".venv-load")
DVC = Path(".venv/bin/dvc")
WITHOUT_GIT = (
    *("bench", "champion", "conf", "contracts", "data", "lifecycle", "loadtests", "serving", "stages", ".dvc"),
    *("dvc.lock", "dvc.yaml", "params.yaml", "pyproject.toml", ".dvcignore"),
)
MADE = {
    *(f"data/{name}" for name in ("raw", "truth", "clean", "quarantine", "split", "encoded", "predictions", "sources", "source")),
    *("champion/model", ".dvc/cache", ".dvc/tmp"),
}
KEPT = (OWN, "artifacts", "champion", "conf", "dvc.lock", "dvc.yaml", "params.yaml", "reports")  # of a training that is over
SERVED = "served"  # in it: the rows that it trains on


def make_place(project: Path, folder: Path, order: Order, served: Path | None) -> None:
    """Make the folder anew; once it has its order it is complete. `served`: rows with final labels, kept as they are now, after
    the project's own months before them.
    """
    shutil.rmtree(folder, ignore_errors=True)
    (folder / OWN).mkdir(parents=True)
    trainings = folder.parent.resolve()
    for name in (one for one in project_files(project) if trainings not in (project / one).resolve().parents):
        _copy(project / name, folder / name)
    for name in ENVIRONMENTS:
        if (project / name).exists():
            (folder / name).symlink_to((project / name).resolve(), target_is_directory=True)
    if (project / CHAMPION).is_dir():
        shutil.copytree(project / CHAMPION, folder / CHAMPION, dirs_exist_ok=True)
    if (project / POINTER).is_file():
        _copy(project / POINTER, folder / POINTER)
    if served is not None:
        shutil.copytree(served, folder / SERVED, copy_function=link_or_copy, ignore=shutil.ignore_patterns("*.partial"))
        add_earlier(project / CLEAN, folder / SERVED, order.earlier_months)
    _share_cache(project, folder)
    write_order(folder, order)


def project_files(project: Path) -> Sequence[str]:
    """Relative to the project: what git tracks, and what it does not ignore; without git the folders that a training needs."""
    listed = ("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    try:
        done = subprocess.run(listed, cwd=project, capture_output=True, check=False)
        top = subprocess.run(("git", "rev-parse", "--show-prefix"), cwd=project, capture_output=True, check=False)
    except OSError:
        return _without_git(project)
    if done.returncode or top.returncode or top.stdout.strip():  # git has none, or that of a folder above
        return _without_git(project)
    return sorted({name for name in os.fsdecode(done.stdout).split("\0") if name and (project / name).is_file()})


def reduce_place(folder: Path) -> None:
    """Remove all rows, and what only a training needs; what the release was made of and judged by stays."""
    for path in folder.iterdir() if folder.is_dir() else ():
        if path.name in KEPT:
            continue
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
    shutil.rmtree(folder / CHAMPION, ignore_errors=True)


def _without_git(project: Path) -> Sequence[str]:
    found = []
    for name in WITHOUT_GIT:
        if (project / name).is_file():
            found.append(name)
        for folder, folders, files in os.walk(project / name):
            inside = Path(folder).relative_to(project)
            folders[:] = [one for one in folders if one != "__pycache__" and str(inside / one) not in MADE]
            found += [str((Path(folder) / one).relative_to(project)) for one in files]
    return sorted(found)


def _share_cache(project: Path, folder: Path) -> None:
    """Let DVC in the folder find what the project's has made, and do without git there. Raises ValueError."""
    asked = subprocess.run([str(DVC.absolute()), "cache", "dir"], cwd=project, capture_output=True, text=True, check=False)
    if asked.returncode:
        raise ValueError(f"`dvc cache dir` failed: {' '.join((asked.stderr or asked.stdout).split())}")
    cache = (project / asked.stdout.strip()).resolve()
    own = f"[core]\n    no_scm = true\n[cache]\n    dir = {cache}\n"
    write_whole(folder / ".dvc/config.local", own.encode())


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy2(source, target, follow_symlinks=False)
