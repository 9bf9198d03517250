"""Settles a copy of the project: `python -m stages.settle FOLDER train.lr=0.002` makes its conf/config.yaml the whole
configuration with these overrides, so that `dvc repro` there does as `make experiment` would here. Not a stage of the pipeline.
"""

if __name__ == "__main__":  # before the imports below, which take their time
    from contracts.terminal import end_on_ctrl_c

    end_on_ctrl_c()

import sys
from pathlib import Path

import yaml

from stages.compose import CONF_DIR, compose_params
from stages.entry import run_stage
from stages.experiment import check_overrides
from stages.files import atomic_path
from stages.settings import check_all

HEADER = "# The whole configuration, settled by `python -m stages.settle`; the other files here are what it was made of.\n"


def main() -> None:
    if len(sys.argv) < 2:
        raise ValueError("expected the folder of a copy of the project, then overrides such as train.lr=0.002")
    folder, overrides = Path(sys.argv[1]), sys.argv[2:]
    settle(folder, overrides)
    print(f"settle: {folder / CONF_DIR}/config.yaml is settled with {len(overrides)} overrides")


def settle(folder: Path, overrides: list[str]) -> None:
    """Write the copy's whole configuration into its config.yaml; a second time it stays as it is, and takes more overrides.

    Raises ConfigError for an override that is none, and ValueError for a project that is a git repository of its own.
    """
    if (folder / ".git").exists():
        raise ValueError(f"{folder} is a project of its own, whose conf/config.yaml would be lost; expected a copy without .git")
    conf = folder / CONF_DIR
    check_overrides(conf, overrides)
    params = compose_params(conf, overrides)
    check_all(params)
    with atomic_path(conf / "config.yaml") as partial:
        text = yaml.safe_dump(params, sort_keys=False, allow_unicode=True, width=120)
        partial.write_text(HEADER + text, encoding="utf-8")


if __name__ == "__main__":
    run_stage(main)
