"""Commands of other environments, which find what was installed beside them."""

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path


def exit_code(command: Sequence[str], folder: Path = Path()) -> int:
    """Run it in the folder, with what it prints on this terminal; the program's folder is searched first for what it calls."""
    program = Path(command[0]).absolute()
    searched = f"{program.parent.resolve()}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    return subprocess.run([str(program), *command[1:]], cwd=folder, env=os.environ | {"PATH": searched}, check=False).returncode
