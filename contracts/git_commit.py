"""The git revision a run was made at. It stands beside outputs, not in them: the commit that holds dvc.lock cannot be the
one that dvc.lock was made at.
"""

import subprocess
from typing import Any

TIMEOUT_S = 30.0  # a repository on a slow disk is worth no more


def git_revision() -> dict[str, Any]:
    """Commit, and whether files differ from it; both None outside a git repository or without git."""
    commit, changes = _git("rev-parse", "HEAD"), _git("status", "--porcelain", "--untracked-files=no")
    return {"commit": commit or None, "uncommitted_changes": None if changes is None else bool(changes)}


def _git(*arguments: str) -> str | None:
    try:
        done = subprocess.run(["git", *arguments], capture_output=True, text=True, check=True, timeout=TIMEOUT_S)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
