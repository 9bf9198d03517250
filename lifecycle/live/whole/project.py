"""A copy of the project for the play: what it trains, serves and promotes there changes nothing here.

It is a git repository with the tracked files as they are, the pipeline's outputs, DVC's cache of the project, and its
environments.
"""

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

from contracts.files import write_whole
from contracts.lifecycle.champion import CHAMPION, is_promoted
from contracts.serving.releases import EXPORTED

EXPERIMENT = "whole"  # conf/experiment/whole.yaml
OUTPUTS = (
    "artifacts",
    "reports",
    "data/split",
    "data/encoded",
    "data/clean",
    "data/predictions",
    "data/linked.json",
    str(CHAMPION),
)
ENVIRONMENTS = (".venv", ".venv-serving", ".venv-load")
READY = ".git/play-is-ready"
PYTHON = ".venv/bin/python"
Say = Callable[[str], None]


def prepare(root: Path, folder: Path, settings: Sequence[str], say: Say = print) -> None:
    """Have the copy in `folder`; one that is there goes on, if it was told the same `settings`. Raises ValueError."""
    told = json.dumps(list(settings))
    if (folder / READY).is_file():
        if (folder / READY).read_text() != told:
            raise ValueError(f"{folder}/ was begun with other settings; remove it, and `make live` begins anew")
        return
    if not (root / EXPORTED).is_dir():
        raise ValueError(f"{root / EXPORTED} is not here; `make repro` makes the model that the play begins with")
    say(f"live: a copy of the project in {folder}/; nothing of what is played changes the project itself")
    shutil.rmtree(folder, ignore_errors=True)
    _clone(root, folder)
    for name in OUTPUTS:
        _copied(root / name, folder / name)
    for name in ENVIRONMENTS:
        (folder / name).symlink_to((root / name).absolute())
    _choose_experiment(folder / "conf/config.yaml")
    _run(folder, [PYTHON, "-m", "stages.compose"])
    if not is_promoted(folder / CHAMPION):
        why = "the play begins with it"
        _run(folder, [PYTHON, "-m", "stages.promote", "--force", "--why", why])
    write_whole(folder / READY, told.encode())


def _clone(root: Path, folder: Path) -> None:
    """A repository with the project's history, and its tracked and new files as they are now."""
    _run(root, ["git", "clone", "--quiet", "--shared", "--no-checkout", str(root), str(folder)])
    listed = _run(root, ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"])
    for name in filter(None, listed.split("\0")):
        if (root / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(root / name, folder / name, follow_symlinks=False)
    _run(folder, ["git", "reset", "--quiet"])
    cache = _run(root, [PYTHON, "-m", "dvc", "cache", "dir"]).strip()
    write_whole(folder / ".dvc/config.local", f"[cache]\n    dir = {cache}\n".encode())


def _copied(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, target, symlinks=True, dirs_exist_ok=True)
    elif source.is_file():
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(source, target)


def _choose_experiment(path: Path) -> None:
    """What conf/experiment/whole.yaml says holds for every command in the copy, and for the trainings that copy it."""
    text = path.read_text(encoding="utf-8")
    chosen = text.replace("- experiment: null", f"- experiment: {EXPERIMENT}")
    if chosen == text:
        raise ValueError(f"{path} does not say `experiment: null`, where the play chooses its settings")
    write_whole(path, chosen.encode())


def _run(folder: Path, command: Sequence[str]) -> str:
    """What it printed. Raises ValueError with its last words."""
    searched = f"{(Path.cwd() / PYTHON).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    done = subprocess.run(command, cwd=folder, env=os.environ | {"PATH": searched}, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        said = (done.stderr.strip() or done.stdout.strip() or f"it ended with code {done.returncode}").splitlines()
        raise ValueError(f"`{' '.join(command)}` in {folder}/: {said[-1]}")
    return done.stdout
