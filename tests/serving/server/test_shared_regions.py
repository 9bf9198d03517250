"""Memory that killed servers left is removed when another one starts, and nobody else's is."""

import os
import time

from serving.shared_memory import OLD_S, region_prefix, sweep_regions

NOBODY = 2**22 + 1  # above the largest process id of Linux


def test_only_old_regions_of_processes_that_are_gone_are_removed(tmp_path):
    names = {
        "gone": f"{region_prefix(NOBODY, 8000)}1c-2d",
        "young": f"{region_prefix(NOBODY, 8000)}3e-4f",
        "running": f"{region_prefix(os.getpid(), 8000)}5a-6b",
        "other": f"adclick-{NOBODY}-notes",
        "foreign": "triton_python_backend_shm_region_1",
    }
    for kind, name in names.items():
        (tmp_path / name).write_bytes(b"x")
        if kind != "young":
            os.utime(tmp_path / name, times=(time.time() - OLD_S - 1,) * 2)
    assert sweep_regions(tmp_path) == 1
    assert {path.name for path in tmp_path.iterdir()} == {*names.values()} - {names["gone"]}
    assert sweep_regions(tmp_path) == 0
