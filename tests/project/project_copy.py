"""A copy of the project in a folder of a test's own, in which real DVC runs."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import yaml

from tests.project.imports import ROOT

PARTS = (
    *(".dvc/config", ".dvc/plots", ".dvc/plots_page.html", ".dvcignore", ".gitignore", "Makefile", "dvc.yaml", "data/dvc.yaml"),
    *("champion/.gitignore", "conf", "contracts", "requirements", "serving", "stages"),
)
DEADLINE_S = 300.0
OF_MAKE = ("MAKEFLAGS", "MFLAGS", "MAKELEVEL")  # of a make that runs these tests: another below it would say so in its first line


def copy_project(folder: Path, data: dict | None = None, git: bool = True) -> Path:
    """The project's code and configuration in `folder`, as a Git repository if asked; with `data` as its data set."""
    for part in PARTS:
        source, target = ROOT / part, folder / part
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, target)
    if data is not None:
        (folder / f"conf/data/{data['name']}.yaml").write_text(yaml.safe_dump(data))
        config = folder / "conf/config.yaml"
        config.write_text(config.read_text().replace("data: simulated", f"data: {data['name']}"))
    if git:
        run(folder, "git", "init", "-q")
        run(folder, "git", "add", "-A")
        run(folder, "git", "-c", "user.name=a", "-c", "user.email=a@example.org", "commit", "-q", "-m", "copy")
    return folder


def run(folder: Path, *command: str, fails: bool = False, **environment: str) -> str:
    """What the command said on stdout and stderr; `fails` says whether it should."""
    tools = Path(sys.executable).parent  # where dvc is
    inherited = {name: value for name, value in os.environ.items() if name not in OF_MAKE}
    done = subprocess.run(
        command,
        cwd=folder,
        env=inherited | {"PATH": f"{tools}:{os.environ['PATH']}"} | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=DEADLINE_S,
        check=False,
    )
    assert (done.returncode != 0) == fails, done.stdout
    return done.stdout
