"""`python -m lifecycle.ab` (`make ab`): what users do with the releases of an A/B test; reports/ab.html (docs/change/ab.md)."""

if __name__ == "__main__":  # before the imports below, which take their time
    from contracts.terminal import end_on_ctrl_c

    end_on_ctrl_c()

import argparse
import sys
from pathlib import Path

from contracts.clock import clock
from contracts.lifecycle.ab import AbConfig
from contracts.lifecycle.feedback import FeedbackConfig
from contracts.overrides import read_overrides
from contracts.serving.releases import PUBLIC
from lifecycle.ab.begun import ab_tests, chosen, fuses_of
from lifecycle.ab.judged import judged
from lifecycle.ab.keys import gathered_keys, sources_of
from lifecycle.ab.page import AbPage, lines_of, write_ab_page
from serving.entry import run
from serving.predict.input import read_declaration
from serving.server.settings import load_journal_config, load_server_config

PAGE = Path("reports/ab.html")
SECTIONS = ("ab", "feedback", "serving.journal", "serving.server")


def main() -> int:
    args = parse(sys.argv[1:])
    config, settings = args.settings.section("ab", AbConfig), args.settings
    store = Path(load_server_config(**settings.of("serving.server")).store)
    test = chosen(ab_tests(store), args.name, store)
    declaration = read_declaration(store / PUBLIC / str(test.champion) / "declaration.json")
    journal = load_journal_config(overrides=settings.of("serving.journal"))
    if journal is None:
        raise ValueError("no journal is configured, and an A/B test is judged by what it has; see serving.journal in conf/")
    feedback = Path(settings.section("feedback", FeedbackConfig).folder)
    now_ns = clock().now_ns()
    rows = gathered_keys(test, sources_of(declaration, Path(journal.folder), feedback, config.value), now_ns)
    page = AbPage(
        test=test, rows=rows, judgement=judged(test, rows, config), config=config, fuses=fuses_of(test, store), now_ns=now_ns
    )
    write_ab_page(page, args.page)
    for line in (*lines_of(page), str(args.page)):
        print(f"ab: {line}", flush=True)
    if page.judgement.verdict == "refused":
        print(f"ab: {page.judgement.sentence}", file=sys.stderr)
        return 1
    return 0


def parse(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m lifecycle.ab", description="What users do with the releases of an A/B test.")
    parser.add_argument("words", nargs="*", help="name of the test (default: the newest), settings such as ab.days=7")
    parser.add_argument("--page", type=Path, default=PAGE, help=f"(default: {PAGE})")
    args = parser.parse_args(argv)
    words = [word for given in args.words for word in given.split()]
    names = [word for word in words if "=" not in word]
    if len(names) > 1:
        raise ValueError(f"expected the name of one A/B test, got {' '.join(names)}")
    args.name = names[0] if names else None
    args.settings = read_overrides([word for word in words if "=" in word], SECTIONS)
    return args


if __name__ == "__main__":
    run("ab", main)
