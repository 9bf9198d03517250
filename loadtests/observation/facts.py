"""What the figures of a load run depend on beside the load: machine, versions. No host names and no paths."""

import json
import os
import platform
import re
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import psutil
import urllib3
from urllib3.exceptions import HTTPError

CLIENT_PACKAGES = ("locust", "tritonclient", "grpcio", "geventhttpclient", "gevent", "numpy")
SERVER_PACKAGES = ("onnxruntime", "numpy")  # of the environment in which Triton's models run
SERVING = Path(".venv-serving")


def machine() -> dict[str, Any]:
    """Processor, cores that this process may use, memory, system."""
    return {
        "processor": processor(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "system": f"{platform.system()} {platform.release()}",
    }


def processor() -> str:
    info = Path("/proc/cpuinfo")
    names = re.findall(r"^model name\s*:\s*(.+)$", info.read_text(), flags=re.M) if info.is_file() else []
    return names[0].strip() if names else platform.processor() or platform.machine()


def versions(http_url: str, serving: Path = SERVING) -> dict[str, str]:
    """By name: the server that answers at `http_url`, what its models run on, this Python and the load generator's packages."""
    found = {"tritonserver": triton_version(http_url)}
    for name in SERVER_PACKAGES:
        folders = sorted(serving.glob(f"lib/python3*/site-packages/{name}-*.dist-info"))
        if folders:
            found[f"{name} (server)"] = folders[0].name.removesuffix(".dist-info").partition("-")[2]
    found["python"] = platform.python_version()
    for name in CLIENT_PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def triton_version(http_url: str) -> str:
    """What the server says of itself; "not known" if it does not answer."""
    try:
        with urllib3.PoolManager(timeout=2.0, retries=False) as pool:
            answer = pool.request("GET", f"{http_url}/v2", headers={"Connection": "close"})
        return str(json.loads(answer.data)["version"])
    except (HTTPError, ValueError, KeyError, TypeError):
        return "not known"
