"""The processes in which Triton runs Python models: which there are, and which model and version each of them runs."""

from collections import Counter
from pathlib import Path

STUB = b"triton_python_backend_stub"
Served = tuple[str, int]  # model, version


def stubs(server_pid: int) -> dict[int, Served]:
    """Process ids of the server's stubs and what each of them runs (its arguments: program, .../model/version/model.py)."""
    found = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            state, parent = (entry / "stat").read_text().rpartition(")")[2].split()[:2]
            arguments = (entry / "cmdline").read_bytes().split(b"\0") if int(parent) == server_pid and state != "Z" else []
        except (OSError, ValueError):
            continue
        if len(arguments) > 1 and arguments[0].endswith(STUB):
            *_, model, version, _ = Path(arguments[1].decode()).parts
            found[int(entry.name)] = (model, int(version))
    return found


def instances(server_pid: int) -> Counter[Served]:
    """How many live processes each model's version has."""
    return Counter(stubs(server_pid).values())
