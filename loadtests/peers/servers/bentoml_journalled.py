"""BentoML with the graph that the served model runs, and its own way to remember: `bentoml.monitor`, which writes to files."""

import os

import bentoml
import numpy as np

from loadtests.peers.servers.journal_lines import FOLDER
from loadtests.peers.servers.packed_graph import PackedGraph

MONITORING = {"enabled": True, "type": "default", "options": {"log_path": os.environ[FOLDER]}}  # else in the working directory


@bentoml.service(workers=2, logging={"access": {"enabled": False}}, monitoring=MONITORING)
class JournalledClicks:
    def __init__(self) -> None:
        self.graph = PackedGraph.of_environment()

    @bentoml.api
    def predict(self, text: str, numeric: list[list[float | None]], ctx: bentoml.Context) -> list[float]:
        numeric_NM = np.array(numeric, dtype=np.float32)
        probability = self.graph.predict(text, numeric_NM).ravel().tolist()
        with bentoml.monitor("clicks") as remembered:
            remembered.log(
                ctx.request.headers.get("x-request-id", ""), name="request_id", role="feature", data_type="categorical"
            )
            remembered.log(text, name="text", role="feature", data_type="categorical")
            remembered.log(numeric, name="numeric", role="feature", data_type="numerical")
            remembered.log(probability, name="probability", role="prediction", data_type="numerical")
        return probability
