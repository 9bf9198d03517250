"""`python -m lifecycle.replay`: answers of the journal computed again, by id, by key, or a share of them (docs/replay.md)."""

if __name__ == "__main__":  # before the imports below, which take their time
    from contracts.terminal import end_on_ctrl_c

    end_on_ctrl_c()

import argparse
import json
import sys
from dataclasses import asdict
from datetime import date
from pathlib import Path

from lifecycle.replay.answer import replay_answer
from lifecycle.replay.bulk import Replays, replay_all
from lifecycle.replay.by_key import answers_with
from lifecycle.replay.find import prediction_id
from lifecycle.replay.report import lines_of, lines_of_answers, lines_of_totals
from lifecycle.replay.sample import SampleWanted, sampled
from serving.entry import run
from serving.journal.folder import SEGMENTS
from serving.server.settings import load_journal_config, load_server_config


def main() -> int:
    args = parse(sys.argv[1:])
    folder = journal_folder(args.folder)
    store = args.store or Path(load_server_config().store)
    if args.share is not None:
        return replay_share(folder, store, args)
    if args.key is not None:
        return replay_key(folder, store, args)
    report = replay_answer(folder, store, prediction_id(args.id), args.row)
    print(report.as_json() if args.json else "\n".join(lines_of(report)))
    return int(report.is_fault)


def replay_share(folder: Path, store: Path, args: argparse.Namespace) -> int:
    """Count what is equal in a share of the batches; 1 if anything is not as it has to be."""
    wanted = SampleWanted(share=args.share, day=args.day)
    totals = replay_all(sampled(folder, store, wanted), Replays(store, folder, may_join=not args.alone))
    of_day = f" of {args.day}" if args.day else ""
    print(
        json.dumps(totals.as_dict(), indent=1)
        if args.json
        else "\n".join(lines_of_totals(totals, f"share {args.share:g}{of_day}"))
    )
    return int(totals.faults > 0)


def replay_key(folder: Path, store: Path, args: argparse.Namespace) -> int:
    """List the answers with a key, and replay the latest."""
    answers = answers_with(folder, args.key)
    latest = answers[0]
    report = replay_answer(folder, store, prediction_id(latest.prediction_id), latest.row)
    if args.json:
        print(json.dumps({"answers": [asdict(answer) for answer in answers], "latest": json.loads(report.as_json())}, indent=1))
    else:
        print("\n".join(lines_of_answers(answers, args.key) + lines_of(report)))
    return int(report.is_fault)


def journal_folder(named: Path | None) -> Path:
    """Raises ValueError if there is no journal."""
    config = load_journal_config(folder=None if named is None else str(named))
    if config is None:
        raise ValueError("no journal is configured; name its folder: python -m lifecycle.replay --folder FOLDER ...")
    folder = Path(config.folder)
    if not (folder / SEGMENTS).is_dir():
        raise ValueError(f"{folder} holds no journal; serve with serving.journal.enabled, or name its folder with --folder")
    return folder


def parse(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m lifecycle.replay", description="Compute answers of the journal again.")
    wanted = parser.add_mutually_exclusive_group(required=True)
    wanted.add_argument("--id", help="a prediction id, as an answer has it")
    wanted.add_argument("--key", help="the caller's own key of a row: its answers are listed, and the latest is replayed")
    wanted.add_argument("--share", type=a_share, help="replay this share of all batches, 0 to 1, always the same ones")
    parser.add_argument("--row", type=a_row, help="only this row of the request, from 0 on")
    parser.add_argument("--day", type=a_day, help="only batches that were answered on this day, UTC: YYYY-MM-DD")
    parser.add_argument(
        "--alone", action="store_true", help="run each batch in a call of its own, even if joined ones give the same bits"
    )
    parser.add_argument("--folder", type=Path, help="of the journal (default: serving.journal.folder)")
    parser.add_argument("--store", type=Path, help="folder of the releases (default: serving.server.store)")
    parser.add_argument("--json", action="store_true", help="the same for programs")
    args = parser.parse_args(argv)
    if args.row is not None and args.id is None:
        parser.error("--row goes with --id")
    if (args.day is not None or args.alone) and args.share is None:
        parser.error("--day and --alone go with --share")
    return args


def a_share(text: str) -> float:
    try:
        share = float(text)
    except ValueError:
        share = 0.0
    if not 0 < share <= 1:
        raise argparse.ArgumentTypeError(f"expected a number above 0, up to 1, got '{text}'")
    return share


def a_row(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"expected the number of a row, from 0 on, got '{text}'")
    return int(text)


def a_day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected a day as YYYY-MM-DD, got '{text}'") from None


if __name__ == "__main__":
    run("replay", main)
