"""How long the server takes until it is ready, and how fast the C part reads and hashes what it loads.

Reads the checkout's own export.
"""

import json
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from statistics import median

from bench.figures import Figure, at_least, spread
from contracts.serving.releases import EXPORTED
from serving.server.server import TritonServer
from serving.server.settings import load_server_config
from serving.server.trial import trial_store

STARTS = 5
BALLAST_MIB = 1024  # a file that the graph does not need, listed like the others: what it adds is reading and hashing
BAR_MIB_S = 300.0


def measure() -> list[Figure]:
    """Servers with the export as it is and with BALLAST_MIB more, in turn."""
    if not EXPORTED.is_dir():
        return [Figure(what="start of the server", figure="not measured: nothing is exported; run `make repro` first")]
    with heavier(EXPORTED) as heavy:
        starts = [(started(EXPORTED), started(heavy), hashing_mib_s()) for _ in range(STARTS)]
    rate = BALLAST_MIB / median(heavy - plain for plain, heavy, _ in starts)
    alone = [found for *_, found in starts]
    return [
        Figure(what="start of the server until all models are ready", figure=spread([plain for plain, *_ in starts], "s", 2)),
        at_least(
            f"reading and hashing at loading: {BALLAST_MIB:,} MiB more in the release",
            rate,
            BAR_MIB_S,
            f"{rate:,.0f} MiB/s",
            f">= {BAR_MIB_S:.0f} MiB/s",
        ),
        Figure(what="OpenSSL's sha-256 alone, of bytes in memory, on the same core", figure=spread(alone, "MiB/s")),
    ]


def hashing_mib_s(mib: int = 256) -> float:
    """What this processor gives at most: OpenSSL's SHA-256, the C part's too, of bytes that it need not read."""
    content = bytes(mib << 20)
    began = time.perf_counter()
    sha256(content).digest()
    return mib / (time.perf_counter() - began)


@contextmanager
def heavier(exported: Path) -> Iterator[Path]:
    """A copy of the exported repository whose model ctr has one large file more."""
    with tempfile.TemporaryDirectory(prefix="adclick-bench-") as name:
        folder = Path(shutil.copytree(exported, Path(name) / "repository"))
        version = folder / "ctr/1"
        ballast = os.urandom(1 << 20) * BALLAST_MIB
        (version / "ballast.bin").write_bytes(ballast)
        package = json.loads((version / "package.json").read_text())
        package["files"]["ballast.bin"] = sha256(ballast).hexdigest()
        (version / "package.json").write_text(json.dumps(package))
        yield folder


def started(exported: Path) -> float:
    """Seconds from the start of the process until all models are ready; the release lies in its store before."""
    with trial_store(exported, load_server_config()) as config:
        began = time.perf_counter()
        with TritonServer(config, log_path=Path(config.store) / "triton.log"):
            return time.perf_counter() - began
