"""Project folders for commands to run in, with all that they read."""

import shutil
from pathlib import Path

from contracts.local_libraries import FONT_CACHE
from tests.privacy.watched import ROOT

ENVIRONMENTS = (".venv", ".venv-serving", ".venv-load")
CODE = ("contracts", "stages", "serving", "loadtests", "bench", "conf")


def copied(project: Path, folder: Path) -> Path:
    """A copy of a project folder, with links to code and environments as in a checkout."""
    shutil.copytree(project, folder, symlinks=True)
    for name in (*CODE, *ENVIRONMENTS):
        if not (folder / name).exists() and (ROOT / name).exists():
            (folder / name).symlink_to(ROOT / name)
    return folder


FONTS = ROOT / FONT_CACHE  # in the checkout, which holds the code, and not in the folder where a command runs
