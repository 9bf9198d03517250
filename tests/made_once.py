"""A folder that takes long to make, made once for all processes that run tests at the same time."""

import fcntl
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

SHARED = "ADCLICK_TESTS_SHARE"  # a folder: `make test` names one, so that its second run of pytest finds what the first made


def made_once(tmp_path_factory: pytest.TempPathFactory, name: str, make: Callable[[Path], object]) -> Path:
    """Folder `name`, which `make` fills with it as the working directory; who comes while another makes it waits.

    To be read only: other workers of pytest-xdist, whose folders for temporary files lie side by side, read it too.
    """
    own = tmp_path_factory.getbasetemp()
    root = Path(os.environ.get(SHARED) or (own.parent if "PYTEST_XDIST_WORKER" in os.environ else own))
    folder, is_made = root / name, root / f"{name}.made"
    with (root / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not is_made.exists():
            shutil.rmtree(folder, ignore_errors=True)  # half made, by one who failed
            folder.mkdir()
            with pytest.MonkeyPatch.context() as patch:
                patch.chdir(folder)
                make(folder)
            is_made.touch()
    return folder
