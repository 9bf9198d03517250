"""`python -m lifecycle.gate` (`make gate`): the real server with candidate and champion side by side, before there is traffic.

Reads artifacts/ and reports/train_timing.json (the candidate), champion/model, data/split and data/predictions. Writes
reports/gate.json and reports/gate.html. Ends with 0 if the candidate passes, 1 if not, 130 after Ctrl-C. Nothing that it
started is left.
"""

if __name__ == "__main__":  # before matplotlib is imported, and all that takes its time
    from contracts.terminal import end_on_ctrl_c

    end_on_ctrl_c()

    from contracts.local_libraries import keep_matplotlib_here

    keep_matplotlib_here()

import fcntl
import json
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from contracts.clock import clock
from contracts.files import write_whole
from contracts.git_commit import git_revision
from lifecycle.gate.checks import verdict
from lifecycle.gate.measuring.served import server_digests
from lifecycle.gate.models import GatedModel, read_candidate, read_champion
from lifecycle.gate.page import page
from lifecycle.gate.run import run_checks
from lifecycle.gate.settings import config_digest, load_gate_config
from loadtests.observation.facts import machine
from serving.entry import run
from serving.server.settings import load_server_config

JSON_PATH, PAGE_PATH = Path("reports/gate.json"), Path("reports/gate.html")
WORK = Path(".checkpoints/gate")  # logs, and the servers' stores while it runs
LOCK = WORK.with_suffix(".lock")
UNLESS_FRESH = "--unless-fresh"  # take the report that is there, if it would come out the same
FIRST, SAME = "first model: nothing to compare with", "the candidate is the champion: nothing to compare with"


def main() -> int:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    if sys.argv[1:] not in ([], [UNLESS_FRESH]):
        raise ValueError(
            f"expected nothing or {UNLESS_FRESH}, got {' '.join(sys.argv[1:])}; settings are in conf/gate/default.yaml"
        )
    candidate, champion = read_candidate(), read_champion()
    with held_alone():
        found = fresh_report(JSON_PATH, circumstances(candidate, champion)) if sys.argv[1:] else None
        if found is None:
            found = gate(candidate, champion)
            if read_candidate() != candidate:
                raise ValueError("artifacts/ changed while the gate looked at it; run `make gate` again")
            write_whole(PAGE_PATH, page(found, candidate.declaration.name).encode())
            text = json.dumps(found, indent=2, sort_keys=True, allow_nan=False, ensure_ascii=False)
            write_whole(JSON_PATH, f"{text}\n".encode())
        else:
            say(f"the report of {found['started']} is about the same models, server and settings")
    if found["passes"]:
        print(f"gate: passed: {found['reasons'][0]}; all of it in {PAGE_PATH}")
        return 0
    raise ValueError(f"the candidate is refused: {found['reasons'][0]}; all of it in {PAGE_PATH}")


def gate(candidate: GatedModel, champion: GatedModel | None) -> dict[str, Any]:
    """What is found, as plain values."""
    config, started, began = load_gate_config(), clock().now(), time.monotonic()
    is_champion = champion is not None and champion.served_as == candidate.served_as
    alone = FIRST if champion is None else SAME if is_champion else None
    say(f"candidate {candidate.digest[:12]}, {alone or f'champion {champion.digest[:12] if champion else None}'}")
    beside = champion if alone is None else None
    checks, server = run_checks(config, load_server_config(), candidate, beside, WORK, say)
    found = verdict(checks)
    if alone is not None:
        found["reasons"] = [*found["reasons"], alone] if not found["passes"] else [f"{found['reasons'][0]}; {alone}"]
    return found | {
        **circumstances(candidate, champion),
        "server": server,
        "started": started.isoformat(timespec="seconds"),
        "seconds": round(time.monotonic() - began, 1),
        "machine": machine(),
        "revision": git_revision(),
        "checks": [check.as_values() for check in checks],
    }


def circumstances(candidate: GatedModel, champion: GatedModel | None) -> dict[str, Any]:
    """What a report is about: if all of it is the same, so is the answer. The server's digests come in besides."""
    return {
        "candidate": candidate.digest,
        "champion": None if champion is None else champion.digest,
        "served_as": {one.name: one.served_as for one in (candidate, champion) if one is not None},
        "config": config_digest(load_gate_config()),
    }


def fresh_report(path: Path, about: dict[str, Any]) -> dict[str, Any] | None:
    """The report at `path`, if it is about this, measured on the server that is installed; else None."""
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    if any(found.get(name) != value for name, value in about.items()) or not found.get("server"):
        return None
    return found if found["server"].items() >= server_digests().items() else None


def say(text: str) -> None:
    """A line of progress."""
    print(f"gate: {text}", file=sys.stderr, flush=True)


@contextmanager
def held_alone() -> Iterator[None]:
    """WORK, empty, as the place of temporary files; what a killed gate left is removed. Raises ValueError if another holds it."""
    LOCK.parent.mkdir(parents=True, exist_ok=True)
    with LOCK.open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            raise ValueError(f"another gate is running here (process {lock.read().strip()}); wait for it or end it") from None
        lock.truncate(0)
        lock.write(f"{os.getpid()}\n")
        lock.flush()
        shutil.rmtree(WORK, ignore_errors=True)
        for path in (JSON_PATH, PAGE_PATH):
            for left in path.parent.glob(f".{path.name}.*.partial"):
                left.unlink()
        WORK.mkdir(parents=True)
        tempfile.tempdir = str(WORK.resolve())
        yield


if __name__ == "__main__":
    run("gate", main)
