"""Two trainings at once on the same cores: how fast is each, as a share of its speed alone; and what waiting less costs one."""

import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from statistics import median

from bench.figures import Compared, Figure, at_least, spread
from bench.workspace import Workspace, workspace
from stages.before_torch import TURNS
from stages.files import read_json

ROWS_PER_MONTH = 50_000
EPOCHS = 3
ROUNDS = 3
AS_SHIPPED: dict[str, str] = {}
BY_ITSELF = {TURNS: "300000"}  # how long GNU's OpenMP waits awake where nobody says anything
BAR_TOGETHER, BAR_ALONE = 0.4, 0.97


@dataclass(frozen=True, kw_only=True)
class Round:
    """Rows a second of trainings that ran one after the other; `by_itself`: OpenMP waited as it does by itself."""

    alone: float
    alone_by_itself: float
    slower_of_two: float
    slower_of_two_by_itself: float


def measure(rows_per_month: int = ROWS_PER_MONTH, epochs: int = EPOCHS, rounds: int = ROUNDS) -> list[Figure]:
    """The default model on simulated data, all four ways in turn, so that a slow minute of the machine hits all."""
    overrides = [f"exchange.impressions_per_month={rows_per_month}", f"train.max_epochs={epochs}"]
    with workspace(overrides) as one, workspace(overrides) as other:
        one.stages("acquire", "validate", "split", "fit", "encode")
        shutil.copytree(one.root / "data/encoded", other.root / "data/encoded")
        return figures([one_round(one, other) for _ in range(rounds)])


def one_round(one: Workspace, other: Workspace) -> Round:
    return Round(
        alone=slowest([one], AS_SHIPPED),
        alone_by_itself=slowest([one], BY_ITSELF),
        slower_of_two=slowest([one, other], AS_SHIPPED),
        slower_of_two_by_itself=slowest([one, other], BY_ITSELF),
    )


def slowest(spaces: list[Workspace], environment: dict[str, str]) -> float:
    """Rows a second of the slowest of whole runs of stage train, one in each space, begun at once."""
    with ThreadPoolExecutor(len(spaces)) as pool:
        return min(pool.map(lambda space: trained(space, environment), spaces))


def trained(space: Workspace, environment: dict[str, str]) -> float:
    space.remove(".checkpoints", "artifacts/model")
    space.stage("train", environment=environment)
    return read_json(space.root / "reports/train_timing.json")["train_rows_per_s"]


def figures(rounds: list[Round]) -> list[Figure]:
    shares = [found.slower_of_two / found.alone for found in rounds]
    before = [found.slower_of_two_by_itself / found.alone_by_itself for found in rounds]
    alone = Compared(ours=tuple(found.alone for found in rounds), theirs=tuple(found.alone_by_itself for found in rounds))
    together, single = "the slower of two trainings at once on the same cores", "training alone, rows/s"
    return [
        at_least(
            f"{together}, as a share of its speed alone", median(shares), BAR_TOGETHER, spread(shares, "of it", 2), ">= 0.4"
        ),
        Figure(what="the same where OpenMP waits as it does by itself", figure=spread(before, "of it", 2)),
        at_least(f"{single} by those where OpenMP waits as it does by itself", alone.ratio, BAR_ALONE, alone.shown(3), ">= 0.97"),
        Figure(what="stage train alone, dcnv2 with creatives, small data", figure=spread(alone.ours, "rows/s")),
    ]
