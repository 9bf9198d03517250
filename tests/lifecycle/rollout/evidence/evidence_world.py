"""A rollout of release 2 beside release 1, labels of rows that its route assigned, and a look at its evidence."""

from datetime import UTC, datetime, timedelta

import polars as pl

from contracts.lifecycle.rollout import RolloutConfig
from contracts.params import read_section
from lifecycle.feedback.labels import LABEL_SCHEMA
from lifecycle.rollout.evidence.gather import Sources, gather
from lifecycle.rollout.rollout import Rollout, Step
from tests.lifecycle.replay.replay_world import START_NS
from tests.lifecycle.replay.routed_world import ROUTE, TRIAL

DAY = datetime.fromtimestamp(START_NS / 1e9, UTC).date()
LATER_NS = START_NS + 5 * 86400 * 10**9
STEP = Step(number=0, mode="canary", share_ppm=TRIAL.share_ppm, digest=f"{ROUTE:016x}", from_ns=START_NS)
ROLLOUT = Rollout(name="r", champion=1, challenger=2, salt=TRIAL.salt, begun_ns=START_NS, steps=(STEP,))


def label(folder, answers: dict[tuple[str, int], int], day=DAY) -> None:
    """Final labels of rows; a later day has begun, so that this one is complete."""
    for at, chosen in ((day, answers), (day + timedelta(days=1), {("later", 0): 0})):
        instant = datetime(at.year, at.month, at.day, 12, tzinfo=UTC)
        rows = [
            {"prediction_id": own, "row": row, "key": None, "answered_at": instant, "release": 1, "shown_at": instant}
            | {"clicked": clicked, "final_at": instant + timedelta(days=3), "source": "file"}
            for (own, row), clicked in chosen.items()
        ]
        path = folder / "labels" / f"answered_day={at}" / "part-0.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        pl.DataFrame(rows, schema=pl.from_arrow(LABEL_SCHEMA.empty_table()).schema).write_parquet(path)
    (folder / "labels/state.json").write_text(f'{{"watermark_ns": {LATER_NS}}}')


def config(**changed) -> RolloutConfig:
    return read_section("rollout", RolloutConfig, overrides=changed)


def sources(folder) -> Sources:
    """Of a folder with a journal, its labels and the releases."""
    return Sources(journal=folder / "journal", feedback=folder / "feedback", store=folder / "models")


def gathered(folder, rollout: Rollout = ROLLOUT, **changed):
    return gather(rollout, folder / "rollouts", sources(folder), config(**changed), LATER_NS)
