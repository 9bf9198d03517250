"""`python -m loadtests.report RUN_DIR OUTPUT`: one self-contained page about a load run.

Reads of a run's folder `summary.json` and `samples-*.npy` (see `loadtests.verdicts.samples`) and `observed.jsonl` (see
`loadtests.observation.observe`). What a run that was killed left behind is shown as far as it goes.
"""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from contracts.files import write_whole
from loadtests.observation.observed import read_observations
from loadtests.report import wording
from loadtests.report.before import compare_with_before
from loadtests.report.context import page_context
from loadtests.report.run import read_run

TEMPLATE = "load_report.html.j2"
OBSERVED = "observed.jsonl"


def write_report(run_dir: Path, *outputs: Path) -> None:
    """Write the page about the run in `run_dir` to each of `outputs`. Raises ValueError if nothing was recorded there."""
    load_run = read_run(run_dir)
    before = compare_with_before(load_run, run_dir)
    page = render(page_context(load_run, read_observations(run_dir / OBSERVED), before))
    for output in outputs:
        write_whole(output, page.encode())


def render(context: Mapping[str, Any]) -> str:
    """The page. A value that the template needs and `context` lacks is an error, never an empty place."""
    loader = FileSystemLoader(Path(__file__).parent)
    env = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    shown = ("count", "percent", "number", "ms", "percentile", "quantile_cell", "duration")
    env.filters |= {name: getattr(wording, name) for name in shown}
    return env.get_template(TEMPLATE).render(context)


def main() -> None:
    if len(sys.argv) != 3:
        raise ValueError("expected the folder of a run and the page to write: python -m loadtests.report RUN_DIR OUTPUT")
    output = Path(sys.argv[2])
    write_report(Path(sys.argv[1]), output)
    print(f"report: {output}, {output.stat().st_size / 1024:,.0f} KiB")
