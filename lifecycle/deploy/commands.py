"""Commands of other environments, which find what was installed beside them."""

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path


def exit_code(command: Sequence[str]) -> int:
    """Run it, with what it prints on this terminal; its folder is searched first for what it calls."""
    searched = f"{Path(command[0]).parent.resolve()}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    return subprocess.run(command, env=os.environ | {"PATH": searched}, check=False).returncode
