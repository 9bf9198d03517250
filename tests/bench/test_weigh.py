"""What a measured process took is its own."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bench.workspace import MeasurementError, run


def test_a_small_process_of_a_large_one_is_small(tmp_path):
    held = bytearray(500 << 20)
    held[:: os.sysconf("SC_PAGE_SIZE")] = b"x" * len(held[:: os.sysconf("SC_PAGE_SIZE")])
    small = run([sys.executable, "-S", "-c", "print('done')"], tmp_path)
    assert small.stdout == "done\n" and 1 < small.peak_mib < 100
    large = run([sys.executable, "-S", "-c", "held = b'x' * (200 << 20); sum(range(10**6))"], tmp_path)
    assert 200 < large.peak_mib < 300 and 0 < large.cpu_s < large.wall_s + 1


def test_what_failed_is_said_with_its_last_words(tmp_path):
    with pytest.raises(MeasurementError, match="ended with 3: too bad"):
        run([sys.executable, "-c", "import sys; print('too bad', file=sys.stderr); sys.exit(3)"], tmp_path)
    with pytest.raises(MeasurementError, match="No such file"):
        run(["./nothing"], tmp_path)


def test_a_measurement_that_is_ended_leaves_no_process(tmp_path, monkeypatch):
    begun = tmp_path / "begun"
    begun.touch()

    def interrupted(_: subprocess.Popen[bytes]) -> None:
        while not begun.read_text():
            time.sleep(0.01)
        raise KeyboardInterrupt

    code = f"import os, time; open({str(begun)!r}, 'w').write(str(os.getpid())); time.sleep(60)"
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(subprocess.Popen, "wait", interrupted)
        run([sys.executable, "-c", code], tmp_path)
    deadline = time.monotonic() + 10
    while is_running(int(begun.read_text())):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
