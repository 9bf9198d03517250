"""`python -m lifecycle.live.broken NAME REPOSITORY FOLDER`: breaks a copy of an exported model as drill NAME of `live.drills`
says.

It runs in the pipeline's environment, which has onnx. The rollout has to find out that the copy is broken (docs/live.md).
"""

if __name__ == "__main__":  # before the imports below, which take their time
    from contracts.terminal import end_on_ctrl_c

    end_on_ctrl_c()

import argparse
import sys
from pathlib import Path

from contracts.lifecycle.live import DrillConfig, LiveConfig
from contracts.params import read_section
from lifecycle.live.broken.make import make_broken
from serving.entry import run


def main() -> None:
    args = parse(sys.argv[1:])
    drill = drill_named(args.name, read_section("live", LiveConfig))
    values = tuple(args.values or drill.values)
    make_broken(args.repository, args.folder, drill, values)
    print(f"broken: {args.folder} is {args.repository}, but {drill.sentence}")


def drill_named(name: str, config: LiveConfig) -> DrillConfig:
    """Raises ValueError if there is no such drill."""
    known = {drill.name: drill for drill in config.drills}
    if name not in known:
        raise ValueError(f"there is no drill '{name}' in live.drills; there are {', '.join(known) or 'none'}")
    return known[name]


def parse(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m lifecycle.live.broken", description="Break a copy of an exported model.")
    parser.add_argument("name", help="of a drill in live.drills")
    parser.add_argument("repository", type=Path, help="an exported repository, such as artifacts/repository/embedded")
    parser.add_argument("folder", type=Path, help="where the copy goes; what is there is replaced")
    parser.add_argument("--values", nargs="*", help="of the drill's column, that are affected (default: those of the drill)")
    return parser.parse_args(argv)


if __name__ == "__main__":
    run("broken", main)
