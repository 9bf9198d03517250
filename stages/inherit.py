"""Stage inherit: reads the champion and `reports/split.json`; writes `artifacts/inherited/`, the weights, encoder and columns
that fit and train take over from it.

With `train.start: scratch` the folder says just that, whoever the champion is, so that nothing behind this stage runs again when
another model is promoted.
"""

if __name__ == "__main__":  # before the imports below, which take their time
    from contracts.terminal import end_on_ctrl_c

    end_on_ctrl_c()

import shutil
from pathlib import Path
from typing import Any

from contracts.lifecycle.champion import CHAMPION, EXPORT, POINTER, is_promoted
from stages.entry import run_stage
from stages.files import atomic_folder, read_json, sha256_file
from stages.settings import load_params
from stages.warm_start.inherited import DESCRIBED, FILES, FOLDER, SCRATCH, STARTED_FROM, WEIGHTS, Origin, write_start
from stages.warm_start.refusals import learned_until, refuse_known_rows, refuse_other_images, refuse_other_network

SPLIT_PATH, CHAMPIONS_SPLIT = Path("reports/split.json"), "split.json"


def main() -> None:
    start = load_params()["train"]["start"]
    images, image_size = load_params()["data"]["images"], load_params()["features"]["image_size"]
    model = load_params()["model"]
    origin = None
    if start != SCRATCH:
        described = read_champion()
        refuse_other_network(model, described["model"])
        refuse_other_images(bool(images), image_size, described["spec"])
        origin = origin_of(described)
        refuse_known_rows(read_json(SPLIT_PATH), origin.learned_until)
    with atomic_folder(FOLDER) as fresh:
        for name in FILES if origin else ():
            shutil.copyfile(CHAMPION / EXPORT / name, fresh / name)
        write_start(fresh, origin)
    known = "nothing (train.start is scratch)" if origin is None else f"champion {origin.champion[:12]}"
    print(f"inherit: {known}" + ("" if origin is None else f", which has learnt rows up to {origin.learned_until}"))


def read_champion() -> dict[str, Any]:
    """The champion's model.json, after a look at every file that is taken over. Raises ValueError if there is no champion, if it
    was exported without weights, or if its files are not those that were exported.
    """
    if not is_promoted():
        raise ValueError("train.start is champion, but no model was ever promoted; `make promote` makes one, or train with "
                         "train.start=scratch")  # fmt: skip
    export = CHAMPION / EXPORT
    digests = read_json(export / "manifest.json")["files"]
    if WEIGHTS not in digests:
        raise ValueError(
            f"train.start is champion, but {export} was exported without {WEIGHTS}, as models were before; promote a model that "
            "was exported since, or train with train.start=scratch"
        )
    for name in FILES:
        if not (export / name).is_file() or sha256_file(export / name) != digests[name]:
            what = "is not the file that was exported" if (export / name).is_file() else "is missing"
            raise ValueError(f"{export / name} {what}; `dvc checkout --force {POINTER}` brings the champion back")
    described: dict[str, Any] = read_json(export / DESCRIBED)
    return described


def origin_of(described: dict[str, Any]) -> Origin:
    """Which champion it is, and up to when its rows are known to it."""
    until = learned_until(read_json(CHAMPION / CHAMPIONS_SPLIT), described.get(STARTED_FROM))
    return Origin(champion=sha256_file(CHAMPION / EXPORT / "manifest.json"), learned_until=until)


if __name__ == "__main__":
    run_stage(main)
