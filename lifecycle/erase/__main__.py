"""`python -m lifecycle.erase` (`make erase`): removes one user from the journal and from the data that this project owns, notes
that it did, and names where the user may still be (docs/privacy.md).
"""

if __name__ == "__main__":  # before the imports below, which take their time
    from contracts.terminal import end_on_ctrl_c

    end_on_ctrl_c()

import argparse
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from contracts.dataset.config_errors import ConfigError
from contracts.dataset.declaration import Declaration
from contracts.lifecycle.feedback import FeedbackConfig
from contracts.lifecycle.retraining import LifecycleConfig
from contracts.lifecycle.rollout import RolloutConfig
from contracts.params import PARAMS_PATH, read_section, section_values
from contracts.serving.config import JournalConfig
from lifecycle.erase.done import await_closed, erase
from lifecycle.erase.found import find
from lifecycle.erase.report import beyond_reach, left, summary
from lifecycle.erase.rollouts import no_controller
from lifecycle.erase.wanted import wanted_of
from lifecycle.journal.served import only_one
from serving.entry import run
from serving.journal.folder import make_folders
from serving.journal.privacy import journal_key
from serving.server.settings import load_journal_config, load_server_config
from serving.triton.journal.privacy import pseudonym

MORE_S = 10.0  # than serving.journal.segment_s, until a segment is closed


def main() -> None:
    args = parse(sys.argv[1:])
    project, declaration, config = Path.cwd(), read_section("data", Declaration), journal_config(args.folder)
    journal, key_file = Path(config.folder), Path(config.key_file)
    key = None if args.dry_run and not key_file.is_file() else journal_key(key_file)
    labels, tried = feedback_config(), rollouts_folder()
    wanted = wanted_of(declaration, args.entity, args.keys, key)
    if key is None or args.dry_run:
        found = find(journal, declaration, wanted, project, say, labels, tried)
        say(f"{summary(found, 'would erase')}; nothing was changed")
    else:
        with alone(journal), no_controller(project / tried):
            await_closed(journal, config.segment_s + MORE_S if args.wait is None else args.wait, say)
            found = find(journal, declaration, wanted, project, say, labels, tried)
            erase(journal, found, wanted, pseudonym(key, wanted.texts[-1]).decode(), args.why, project, labels)
        say(summary(found, "erased"))
    store = project / load_server_config().store
    for line in (*left(found, wanted, project, store, project / trainings_folder()), *beyond_reach()):
        print(f"  {'would stay' if args.dry_run else 'still there'}: {line}", flush=True)


def parse(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m lifecycle.erase", description="Remove one user.")
    parser.add_argument("entity", help="the user: a value of the column with role entity")
    parser.add_argument("--why", default="", help="kept in erased.jsonl; without the value")
    parser.add_argument("--dry-run", action="store_true", help="say what would be erased, and change nothing")
    parser.add_argument("--keys", action="store_true", help="rows whose caller's key is the value too")
    parser.add_argument("--folder", help="of the journal (default: serving.journal.folder)")
    parser.add_argument("--wait", type=float, metavar="S", help="seconds for open segments (default: segment_s and 10 more)")
    args = parser.parse_args(argv)
    if args.entity and args.entity in args.why:
        raise ValueError("the reason names the user, and it is kept; give one without the value")
    return args


def journal_config(folder: str | None) -> JournalConfig:
    """Raises ConfigError."""
    config = load_journal_config(folder=folder)
    if config is None:
        raise ConfigError(f"section 'serving.journal' is missing in {PARAMS_PATH}; run `make repro` to compose it anew")
    return config


def feedback_config() -> FeedbackConfig | None:
    """None if params.yaml was composed before there was one. Raises ConfigError."""
    return None if section_values("feedback") is None else read_section("feedback", FeedbackConfig)


def rollouts_folder() -> str:
    """As above."""
    return "rollouts" if section_values("rollout") is None else read_section("rollout", RolloutConfig).folder


def trainings_folder() -> str:
    """As above."""
    known = section_values("lifecycle") or {}
    return "retraining" if "retraining" not in known else read_section("lifecycle", LifecycleConfig).retraining.folder


@contextmanager
def alone(journal: Path) -> Iterator[None]:
    """The journal's folder, which is made where no journal was kept, for the note of what is erased elsewhere.

    Raises ValueError while another program makes Parquet of the journal, or erases there.
    """
    make_folders(journal)
    with only_one(journal):
        yield


def say(text: str) -> None:
    print(f"erase: {text}", flush=True)


if __name__ == "__main__":
    run("erase", main)
