"""`python -m lifecycle.live.drills`: if it is time, makes the next broken candidate of the model that is served, and has it
tried.

It runs after each day of the play, in serving's environment. What becomes of the candidate is the rollout's matter.
"""

if __name__ == "__main__":  # before the imports below, which take their time
    from contracts.terminal import end_on_ctrl_c

    end_on_ctrl_c()

import shutil
import subprocess
import sys
from pathlib import Path

from contracts.clock import clock
from contracts.lifecycle.champion import CHAMPION, REPOSITORY
from contracts.lifecycle.live import DrillConfig, LiveConfig
from contracts.lifecycle.rollout import RolloutConfig
from contracts.params import read_section
from contracts.serving.config import ServerConfig
from contracts.serving.release_log import Entry, append
from contracts.serving.releases import EXPORTED, data_of, identity, model_of
from lifecycle.live.drills.schedule import Drill, add_drill, next_drill, read_drills, weekdays_after_shadow
from lifecycle.rollout.control.files import read_rollouts
from serving.entry import run
from serving.releases.store import Store

PIPELINE, SERVE = ".venv/bin/python", ".venv-serving/bin/python"
MADE = Path("live/broken")


def main() -> int:
    live, rollout = read_section("live", LiveConfig), read_section("rollout", RolloutConfig)
    drill = next_drill(live.drills, read_drills(), read_rollouts(Path(rollout.folder)))
    if drill is None:
        return 0
    values = weekdays_after_shadow(clock().now(), rollout) if drill.weekday else drill.values
    store = Store(Path(read_section("serving.server", ServerConfig).store))
    made_of = store.active()
    assert made_of is not None  # a rollout has been promoted
    release = released(store, drill, broken_copy(drill, values))
    begun = [SERVE, "-m", "lifecycle.rollout", *sys.argv[1:], "begin", str(release)]
    add_drill(
        Drill(
            name=drill.name,
            sentence=drill.sentence,
            made_of=made_of,
            release=release,
            begun_ns=clock().now_ns(),
            values=values,
        )
    )
    print(f"drills: release {release} is what is served, but {drill.sentence}", flush=True)
    return subprocess.run(begun, check=False).returncode


def broken_copy(drill: DrillConfig, values: tuple[str, ...]) -> Path:
    """The broken copy of the champion. Raises ValueError with the reason if it cannot be made."""
    source, folder = CHAMPION / REPOSITORY / EXPORTED.name, MADE / drill.name
    command = [PIPELINE, "-m", "lifecycle.live.broken", drill.name, str(source), str(folder)]
    if values:
        command += ["--values", *values]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise ValueError((done.stderr.strip().splitlines() or ["the broken candidate was not made"])[-1])
    return folder


def released(store: Store, drill: DrillConfig, folder: Path) -> int:
    """Its number in the store. It comes there without a comparison and a gate, with the reason why: the rollout is what is
    tried.
    """
    release = store.release(folder)
    why = f"a drill: {drill.sentence}; comparison and gate were left out, so that the rollout has to find it"
    entry = Entry(
        event="stored",
        model=model_of(folder),
        release=identity(folder, "1"),
        version=release,
        before=store.active(),
        data=data_of(folder),
        reasons=(drill.sentence,),
        forced_because=why,
    )
    append(store.folder, entry)
    shutil.rmtree(folder)
    return release


if __name__ == "__main__":
    run("drills", main)
