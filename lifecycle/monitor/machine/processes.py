"""What the server and the pipeline take of this machine, by process groups, while they run here."""

from collections import defaultdict

import psutil

from lifecycle.monitor.findings import FindingTable

SERVER, COLUMNS = "tritonserver", ("what", "processes", "memory MiB", "processor seconds")
GROUPS = {"stages.": "pipeline", "serving.server": "make serve", "lifecycle.journal": "journal", "lifecycle.feedback": "feedback"}


def processes_table() -> FindingTable:
    """A row a group; none for what does not run here or belongs to somebody else."""
    taken: dict[str, list[float]] = defaultdict(lambda: [0, 0.0, 0.0])
    for process in psutil.process_iter(["pid", "name", "cmdline"]):
        try:
            group = group_of(process)
            if group is not None:
                times = process.cpu_times()
                for place, value in enumerate((1, process.memory_info().rss / 2**20, times.user + times.system)):
                    taken[group][place] += value
        except psutil.Error:
            continue
    rows = [(group, int(number), round(memory), round(cpu, 1)) for group, (number, memory, cpu) in sorted(taken.items())]
    return FindingTable(title="Processes of the project on this machine", columns=COLUMNS, rows=rows)


def group_of(process: psutil.Process) -> str | None:
    """Triton with its Python models, a stage, a command; None for anything else."""
    if SERVER in (process.info["name"], *(parent.name() for parent in process.parents()[:2])):
        return "server"
    words = process.info["cmdline"] or []
    module = words[words.index("-m") + 1] if "-m" in words[:-1] else ""
    return next((group for start, group in GROUPS.items() if f"{module}.".startswith(f"{start.rstrip('.')}.")), None)
