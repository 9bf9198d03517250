"""What is known of a candidate before it is served: the reports of stage `compare` and of the gate."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from contracts.files import sha256_file
from lifecycle.deploy.commands import exit_code

COMPARE = (".venv/bin/dvc", "repro", "--single-item", "compare")  # does nothing if its inputs are those of its report
GATE = (".venv-load/bin/python", "-m", "lifecycle.gate", "--unless-fresh")


@dataclass(frozen=True, kw_only=True)
class Report:
    """A report, as far as it says something about these two models."""

    name: str  # comparison | gate
    path: Path
    content: dict[str, Any] | None  # None: there is none about them
    missing: str = ""  # why, then

    @property
    def passes(self) -> bool:
        return self.content is not None and bool(self.content["passes"])

    @property
    def reasons(self) -> list[str]:
        """Why it does not pass, the gravest first."""
        if self.content is None:
            return [f"{self.name}: {self.missing}"]
        return [] if self.passes else [f"{self.name}, {self.content['verdict']}: {reason}" for reason in self.content["reasons"]]

    def summary(self) -> dict[str, Any]:
        """What releases.jsonl keeps of it."""
        if self.content is None:
            return {"missing": self.missing}
        return {name: self.content[name] for name in ("verdict", "passes", "reasons")} | {"sha256": sha256_file(self.path)}


def gather(candidate: str, champion: str | None, gated: bool = True, folder: Path = Path()) -> list[Report]:
    """Both reports, made anew where they are not about these two models or their settings have changed; prints their progress.

    The gate's only if `gated`. `folder`: where the candidate was trained, if that is a copy of the project.
    """
    found = [_report("comparison", folder, COMPARE, candidate, champion)]
    return [*found, _report("gate", folder, GATE, candidate, champion)] if gated else found


def _report(name: str, folder: Path, command: Sequence[str], candidate: str, champion: str | None) -> Report:
    """What the command left. Where it ended with an error, a report that passes is an earlier one, and no evidence."""
    path = folder / f"reports/{name}.json"
    program = Path(command[0])
    if not program.is_file():
        return Report(name=name, path=path, content=None, missing=f"{program} is not installed; `make deploy` installs it")
    code = exit_code(command, folder)
    content = json.loads(path.read_bytes()) if path.is_file() else {}
    if (content.get("candidate"), content.get("champion", "")) != (candidate, champion) or (code and content["passes"]):
        about = f"`{' '.join(command)}` ended with code {code} and wrote no report about this candidate and champion"
        return Report(name=name, path=path, content=None, missing=about)
    return Report(name=name, path=path, content=content)
