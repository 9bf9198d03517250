"""Runs an experiment: `python -m stages.experiment model=deepfm train.lr=0.002` checks the overrides and starts `dvc exp run`.

What begins with a dash (`--queue`, `--name=wide`) goes to `dvc exp run` as it is. Not a stage of the pipeline: `make experiment`
and `make repro EXPERIMENT=...` call it, because what DVC says of a wrong override is Hydra's.
"""

if __name__ == "__main__":  # before the imports below, which take their time
    from contracts.terminal import end_on_ctrl_c

    end_on_ctrl_c()

import subprocess
import sys
from itertools import product
from pathlib import Path
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException

from contracts.dataset.config_errors import ConfigError, hint
from stages.compose import CONF_DIR, compose_params
from stages.entry import run_stage
from stages.settings import check_all

HOW = "write key=value, such as train.lr=0.002"
NO_PART_OF_IT = {"loadtest"}  # folders of conf/ that the pipeline does not read
IN_A_COPY = ("--queue", "--temp", "--run-all")  # options of `dvc exp run` that work in a copy of the project


def main() -> None:
    options = [given for given in sys.argv[1:] if given.startswith("-")]
    overrides = [given for given in sys.argv[1:] if not given.startswith("-")]
    check_overrides(CONF_DIR, overrides)
    for option in IN_A_COPY:
        if option in options:
            check_copy(Path.cwd(), option)
    is_queued = "--queue" in options
    if not is_queued:
        print(
            "experiment: its results take the place of those in data/, artifacts/ and reports/, which stay in DVC's cache",
            flush=True,
        )
    command = [sys.executable, "-m", "dvc", "exp", "run", *options]
    ended = subprocess.run([*command, *(part for override in overrides for part in ("-S", override))], check=False)
    if ended.returncode:
        sys.exit(ended.returncode)
    print(closing_line(overrides, is_queued))


def closing_line(overrides: list[str], is_queued: bool) -> str:
    """What a person may do next."""
    if is_queued:
        return "experiment: queued; `dvc queue start` runs it, `make experiments` shows what it gave"
    back = "make repro" if any(override.startswith("experiment=") for override in overrides) else "make experiment"
    next_steps = f"`make experiments` compares it, `{back}` brings back what conf/ says"
    return f"experiment: done; `make deploy` brings it into the server if it is good enough, {next_steps}"


def check_copy(project: Path, option: str) -> None:
    """Raise ConfigError where DVC's copy of the project would fail, and hardly say so (findings/dvc_queue_non_ascii.sh)."""
    fails = f"DVC 3.67.1 fails every experiment of {option} where it has letters beyond ASCII"
    if not str(project).isascii():
        raise ConfigError(f"the project's path is {project}, and {fails}; move the project, or leave out {option}")
    settings = project / ".git/config"
    for line in settings.read_text(encoding="utf-8", errors="replace").splitlines() if settings.is_file() else []:
        if not line.isascii():
            raise ConfigError(
                f".git/config has the line '{line.strip()}', and {fails}; unset it there and set it with "
                f"`git config --global`, where it does no harm, or leave out {option}"
            )


def check_overrides(conf_dir: Path, given: list[str]) -> None:
    """Raise ConfigError with one sentence for an override that is none, or gives what conf/ does not take.

    A sweep such as `model=logistic,dcnv2` is checked value by value.
    """
    parsed = [parse(one) for one in given]
    groups = {folder.name: folder for folder in conf_dir.iterdir() if folder.is_dir() and folder.name not in NO_PART_OF_IT}
    for one in product(*(values_of(override) for override in parsed)):
        chosen = [override for override in one if override.key_or_group in groups]
        for override in chosen:
            check_choice(override, groups[override.key_or_group])
        lines = [override.input_line for override in chosen]
        for override in one:
            if override not in chosen and not override.is_add():
                check_key(override, conf_dir, lines)
        check_all(compose_params(conf_dir, [override.input_line for override in one]))


def parse(given: str) -> Override:
    try:
        return OverridesParser.create().parse_override(given)
    except HydraException:
        raise ConfigError(f"'{given}' is no override; {HOW}") from None


def values_of(override: Override) -> list[Override]:
    """The override itself, or one for each value of a sweep."""
    if not override.is_sweep_override():
        return [override]
    return [parse(f"{override.key_or_group}={value}") for value in override.sweep_string_iterator()]


def check_choice(override: Override, folder: Path) -> None:
    """Raise ConfigError if the folder of conf/ has no file of that name."""
    name, names = override.value(), sorted(path.stem for path in folder.glob("*.yaml"))
    if name is not None and name not in names and not override.is_delete():
        raise ConfigError(f"{override.input_line}: conf/{folder.name}/ has no {name}.yaml; {hint(str(name), names)}")


def check_key(override: Override, conf_dir: Path, chosen: list[str]) -> None:
    """Raise ConfigError if the configuration has no such key: it is unknown, or not set in conf/."""
    current: Any = compose_params(conf_dir, chosen)
    parts = override.key_or_group.split(".")
    for place, part in enumerate(parts):
        if isinstance(current, list):
            current = {str(i): value for i, value in enumerate(current)}
        if isinstance(current, dict) and part in current:
            current = current[part]
            continue
        if can_be_added(override, conf_dir, chosen):
            raise ConfigError(f"{override.key_or_group} is not set in conf/; to set it write +{override.input_line}")
        if not isinstance(current, dict):
            above = f"{'.'.join(parts[:place])} is {current!r} and has none below it"
            raise ConfigError(f"{override.key_or_group} is not a known key: {above}; give that a value as a whole")
        raise ConfigError(f"{override.key_or_group} is not a known key; {hint(part, list(current))}")


def can_be_added(override: Override, conf_dir: Path, chosen: list[str]) -> bool:
    try:
        check_all(compose_params(conf_dir, [*chosen, f"+{override.input_line}"]))
    except ConfigError:
        return False
    return True


if __name__ == "__main__":
    run_stage(main)
