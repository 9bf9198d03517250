"""A journal of two releases of one store, whose answers were routed: what one answered, and what the other computed of it."""

from uuid import UUID

import onnx
from onnx import numpy_helper

from contracts.serving.route import Limits, Route, Trial, text_of
from lifecycle.replay.answer import replay_answer
from lifecycle.replay.find import prediction_id
from serving.triton.journal.layout import CHALLENGER, CHAMPION, FALLBACK, SHADOW
from serving.triton.journal.record import Routed
from tests.lifecycle.replay.replay_world import Answering
from tests.serving.served_world import REPOSITORY, exported_with, replace_file

HOUR_NS = 3600 * 10**9
LIMITS = Limits(
    timeout_ms=100, max_p99_ms=50, max_error_share=0, max_timeout_share=0, max_mean_ratio=2, min_distinct_ratio=0, max_slowdown=3
)
TRIAL = Trial(challenger=2, share_ppm=50_000, shadow_ppm=10**6, salt="9f86d081", valid_until_ms=10**13, limits=LIMITS)
TEXT = text_of(Route(champion=1, mode="ab", trial=TRIAL))
ROUTE = Route(champion=1, mode="ab", trial=TRIAL).digest


class Arms:
    """Champion and challenger, whose graph says something else, in one store and journal; each has a writer."""

    def __init__(self, folder, exported, spec) -> None:
        self.champion = Answering(folder, exported / REPOSITORY, spec)
        self.challenger = Answering(folder, exported_with(exported, folder / "other", max_batch_size=32), spec)
        model = onnx.load(self.champion.version / "ctr_packed.onnx")
        for weights in model.graph.initializer:
            if weights.data_type == onnx.TensorProto.FLOAT and weights.dims:
                weights.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(weights) * 1.25, weights.name))
        for name in ("ctr", "ctr_careful"):
            replace_file(self.champion.store / name / "2", "ctr_packed.onnx", model.SerializeToString())
        self.challenger.open()
        self.folder, self.store = self.champion.folder, self.champion.store

    def answer(self, rows, arm: int = CHAMPION, status: int = 0, **said) -> str:
        """By the champion unless the challenger was assigned and is no fallback; three rows."""
        who = self.challenger if arm == CHALLENGER and status != FALLBACK else self.champion
        (own,) = who.answer(rows, 3, route=ROUTE, routed=[Routed(arm=arm, status=status, bucket=77, **said)])
        return own

    def shadow(self, own: str, rows, arm: int = CHAMPION, status: int = SHADOW, later_ns: int = 10**9) -> None:
        """What the other arm than that computes of these rows."""
        who = self.champion if arm == CHALLENGER and status == SHADOW else self.challenger
        who.now_ns = max(self.champion.now_ns, self.challenger.now_ns) + later_ns
        who.answer(rows, 3, route=ROUTE, routed=[Routed(arm=arm, status=status, bucket=77, shadowed=UUID(own).bytes)])

    def to_parquet(self) -> None:
        self.challenger.writer.close()
        self.champion.to_parquet()

    def report(self, own: str, row: int | None = None):
        return replay_answer(self.folder, self.store, prediction_id(own), row)
