"""Rows a second of stages validate and encode against the same work in plain pandas (plain_pandas.py)."""

import json
from statistics import median

from bench.figures import Compared, Figure, at_least, in_turn, spread
from bench.workspace import Workspace, workspace

ROWS_PER_MONTH = 200_000
MONTHS = 3
PAIRS = 3
BAR = 5.0


def measure() -> list[Figure]:
    """Both sides work on the same files; imports, and the fitting of vocabularies, are counted for neither."""
    with workspace([f"exchange.impressions_per_month={ROWS_PER_MONTH}"]) as space:
        space.stages("acquire", "validate", "split", "fit")
        start_s: list[float] = []
        ours: list[tuple[float, float]] = []
        theirs: list[tuple[float, float]] = []
        compared = in_turn(lambda: _stages(space, ours, start_s), lambda: _plain(space, theirs), PAIRS)
    rows = [
        at_least(
            "validate + encode, rows/s against pandas + pandera + scikit-learn",
            compared.ratio,
            BAR,
            compared.shown(),
            ">= 5x",
        )
    ]
    rows.append(Figure(what="validate + encode, together", figure=spread(compared.ours, "rows/s")))
    rows.append(Figure(what="the same with pandas, pandera, scikit-learn", figure=spread(compared.theirs, "rows/s")))
    for i, name in enumerate(("validate", "encode")):
        alone = Compared(ours=tuple(1 / pair[i] for pair in ours), theirs=tuple(1 / pair[i] for pair in theirs))
        figure = f"{median(pair[i] for pair in ours):.2f} s, {alone.shown()} as fast"
        rows.append(Figure(what=f"of it {name}, {ROWS_PER_MONTH * MONTHS:,} rows", figure=figure))
    rows.append(Figure(what="start-up of one of these stages (imports, not counted above)", figure=spread(start_s, "s", 2)))
    return rows


def _stages(space: Workspace, parts_s: list[tuple[float, float]], start_s: list[float]) -> float:
    """Rows a second of both stages with all work to do."""
    space.remove("data/clean", "data/quarantine", "data/encoded")
    took = [json.loads(space.module("bench.pipeline.timed_stage", name).stdout) for name in ("validate", "encode")]
    start_s += [one["import_s"] for one in took]
    parts_s.append((took[0]["work_s"], took[1]["work_s"]))
    return ROWS_PER_MONTH * MONTHS / sum(parts_s[-1])


def _plain(space: Workspace, parts_s: list[tuple[float, float]]) -> float:
    space.remove("plain")
    took = json.loads(space.module("bench.pipeline.plain_pandas", "plain").stdout)
    parts_s.append((took["validate_s"], took["encode_s"]))
    return ROWS_PER_MONTH * MONTHS / sum(parts_s[-1])
