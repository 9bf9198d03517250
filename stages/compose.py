"""Stage compose: reads `conf/` and writes `params.yaml`; checks every key; points `data/source` at the declared source.

Nobody edits params.yaml. Under `dvc exp run` DVC has composed it already, and it is kept if there were overrides.
"""

if __name__ == "__main__":  # before the imports below, which take their time
    from contracts.terminal import end_on_ctrl_c

    end_on_ctrl_c()

import os
from pathlib import Path
from typing import Any

import yaml
from hydra import compose, initialize_config_dir
from hydra.errors import HydraException
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from contracts.dataset.config_errors import ConfigError
from contracts.dataset.served import none_yet
from contracts.dataset.source import Source
from stages.entry import run_stage
from stages.files import atomic_path
from stages.settings import PARAMS_PATH, check_all, check_section, load_params

CONF_DIR = Path("conf")
SOURCE_LINK = Path("data/source")
EXCHANGE_CODE = Path("stages/simulate")  # what simulated data follows from, beside the parameters
HEADER = "# Composed from conf/ by `python -m stages.compose`. Do not edit: edit conf/, `dvc repro` writes it anew.\n"


def main() -> None:
    params = compose_params(CONF_DIR)
    is_kept = bool(os.environ.get("DVC_EXP_NAME")) and PARAMS_PATH.is_file() and load_params() != params
    if is_kept:
        params = load_params()
    check_all(params)
    if not is_kept:
        with atomic_path(PARAMS_PATH) as partial:
            text = yaml.safe_dump(params, sort_keys=False, allow_unicode=True, width=120)
            partial.write_text(HEADER + text, encoding="utf-8")
    target = link_source(check_section("data.source", params["data"]["source"], Source))
    did = f"kept the experiment's {PARAMS_PATH}" if is_kept else f"wrote {PARAMS_PATH}"
    print(f"compose: {did} for data={params['data']['name']} model={params['model']['name']}, source {target}")


def compose_params(conf_dir: Path, overrides: list[str] | None = None) -> dict[str, Any]:
    """The whole configuration as plain values. Raises ConfigError for what Hydra cannot compose."""
    try:
        with initialize_config_dir(str(conf_dir.resolve()), version_base="1.3"):
            config = compose("config", overrides=overrides or [])
        return OmegaConf.to_container(config, resolve=True, throw_on_missing=True)
    except (HydraException, OmegaConfBaseException, yaml.YAMLError) as error:
        raise ConfigError(f"conf/ does not compose: {' '.join(str(error).split())}") from error


def link_source(source: Source) -> str:
    """Point `data/source`, which stage acquire depends on, at what the data is made of; return the target.

    DVC hashes what the link leads to, so that a new file in the source folder re-runs acquire (in folders that are linked
    there stage follow looks). A bucket cannot be linked: there the link leads to conf/data, and `dvc repro -f acquire` looks
    for new files.
    """
    target = EXCHANGE_CODE if source.kind == "exchange" else source.local or Path("conf/data")
    if source.kind == "served" and not target.is_dir():
        raise ConfigError(none_yet(target))
    if not target.exists():
        below = "" if target.is_absolute() else f" below {Path.cwd()}"
        raise ConfigError(
            f"data.source.path '{source.path}' does not exist{below}; set it in conf/data/ to the folder of the files"
            + (", for `dvc exp run --queue`, which works in a copy, as an absolute path" if below else "")
        )
    link = os.path.relpath(target, SOURCE_LINK.parent) if not target.is_absolute() else str(target)
    if not SOURCE_LINK.is_symlink() or os.readlink(SOURCE_LINK) != link:
        SOURCE_LINK.parent.mkdir(parents=True, exist_ok=True)
        with atomic_path(SOURCE_LINK) as partial:
            partial.symlink_to(link)
    return str(target)


if __name__ == "__main__":
    run_stage(main)
