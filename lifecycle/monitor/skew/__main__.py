"""`python -m lifecycle.monitor.skew FILE`: the month's file against what was served; 1 if a column is different."""

if __name__ == "__main__":  # before the imports below, which take their time
    from contracts.terminal import end_on_ctrl_c

    end_on_ctrl_c()

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path

from contracts.clock import clock
from contracts.lifecycle.monitor import MonitorConfig
from contracts.params import read_section
from contracts.serving.releases import PUBLIC
from lifecycle.monitor.findings import Area
from lifecycle.monitor.skew.area import area_of, write_report
from lifecycle.monitor.skew.compare import compare_sides
from serving.entry import run
from serving.predict.input import read_declaration
from serving.releases.store import Store
from serving.server.settings import load_journal_config, load_server_config


def main() -> int:
    args = parse(sys.argv[1:])
    config = read_section("monitor", MonitorConfig)
    journal = load_journal_config(folder=None if args.journal is None else str(args.journal))
    if journal is None:
        raise ValueError("no journal is configured; name its folder: python -m lifecycle.monitor.skew --journal FOLDER FILE")
    declaration = read_declaration(args.declaration or newest_declaration(args.store or Path(load_server_config().store)))
    state = args.state or Path(config.folder)
    report = compare_sides(
        args.input, Path(journal.folder), declaration, config.skew, state, Path(journal.key_file), clock().now_ns()
    )
    write_report(state, report)
    area = area_of(report, config.skew)
    print(json.dumps(asdict(area), indent=1) if args.json else "\n".join(lines_of(area)))
    worst = [one for one in area.findings if one.verdict in ("warning", "page")]
    if worst:
        print(
            f"skew: {'1 column is' if len(worst) == 1 else f'{len(worst)} columns are'} different from what was served: "
            f"{', '.join(f.subject for f in worst)}",
            file=sys.stderr,
        )
    return int(bool(worst))


def lines_of(area: Area) -> list[str]:
    lines = [*area.notes]
    for one in sorted(area.findings, key=lambda one: -one.effect):
        lines.append(f"{one.verdict}: {one.sentence}")
        lines += [
            f"    key {row['key']}: {row['file']} in the file, {row['served']} served at {row['answered_at']}"
            for row in one.evidence["examples"]
        ]
    return lines if area.findings else [*lines, "every column of every row that both sides have is equal"]


def newest_declaration(store: Path) -> Path:
    """Of the release that is served. Raises ValueError if there is none."""
    active = Store(store).active()
    if active is None:
        raise ValueError(
            f"{store} has no release; name the data set's declaration: --declaration artifacts/export/declaration.json"
        )
    return store / PUBLIC / str(active) / "declaration.json"


def parse(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m lifecycle.monitor.skew", description="Compare a month's file with what was served."
    )
    parser.add_argument("input", type=Path, help="the month's file, or the folder with its files, as it is trained on")
    parser.add_argument("--journal", type=Path, help="folder of the journal (default: serving.journal.folder)")
    parser.add_argument("--store", type=Path, help="folder of the releases (default: serving.server.store)")
    parser.add_argument(
        "--declaration", type=Path, metavar="FILE", help="of the data set (default: that of the release that is served)"
    )
    parser.add_argument("--state", type=Path, help="where the result is kept (default: monitor.folder)")
    parser.add_argument("--json", action="store_true", help="the same for programs")
    return parser.parse_args(argv)


if __name__ == "__main__":
    run("skew", main)
