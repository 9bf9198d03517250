"""BentoML: a service class whose batchable API gets the rows of several requests as one list."""

import bentoml
from pydantic import BaseModel

from loadtests.peers.servers.fused_graph import FusedGraph


class Impression(BaseModel):
    categorical: list[str]
    numeric: list[float | None]


@bentoml.service(workers=2, logging={"access": {"enabled": False}})
class Clicks:
    def __init__(self) -> None:
        self.graph = FusedGraph.of_environment()

    @bentoml.api(batchable=True, max_batch_size=1024, max_latency_ms=1000)
    def predict(self, rows: list[Impression]) -> list[float]:
        return self.graph.predict_rows([row.categorical for row in rows], [row.numeric for row in rows]).tolist()
