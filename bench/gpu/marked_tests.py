"""Runs the tests that need a GPU and no more packages than the check itself."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).resolve().parents[2]
FILES = ("tests/models/test_device_batches.py", "tests/bench/gpu/test_training_on_a_device.py")
SHOWN_LINES = 40  # of what pytest printed, where a test failed


def run_tests(on_gpu: bool, limit_s: float) -> dict[str, Any]:
    """What pytest says at its end. The tests marked `gpu` run, or, where a CPU stands in for the GPU, the others of the files.

    Raises RuntimeError with the end of the output where a test failed, or none ran.
    """
    command = [sys.executable, "-m", "pytest", "-q", "--noconftest", "-p", "no:cacheprovider", "-c", os.devnull]
    command += ["--rootdir", str(PROJECT), "-W", "ignore::pytest.PytestUnknownMarkWarning", "-m", "gpu" if on_gpu else "not gpu"]
    own = os.environ | {"PYTHONPATH": os.pathsep.join([str(PROJECT), os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep)}
    own["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"  # plug-ins of other projects, whose packages may be missing
    try:
        done = subprocess.run([*command, *FILES], cwd=PROJECT, env=own, capture_output=True, text=True, timeout=limit_s)
    except subprocess.TimeoutExpired as error:
        raise RuntimeError(f"the tests took more than {limit_s:.0f} s") from error
    lines = done.stdout.strip().splitlines()
    if done.returncode != 0:
        said = [*lines, *done.stderr.splitlines()][-SHOWN_LINES:]
        raise RuntimeError(f"pytest ended with {done.returncode}: {' / '.join(said)}")
    return {"summary": lines[-1]}
