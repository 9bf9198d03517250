"""MLServer with the graph that the served model runs. Its own logging is Python's: a line of JSON for each answer goes there."""

import json

import numpy as np
from mlserver import MLModel
from mlserver.codecs import NumpyCodec, StringCodec
from mlserver.logging import logger
from mlserver.types import InferenceRequest, InferenceResponse

from loadtests.peers.servers.journal_lines import line_of
from loadtests.peers.servers.packed_graph import PackedGraph


class JournalledRuntime(MLModel):
    async def load(self) -> bool:
        self.graph = PackedGraph.of_environment()
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        inputs = {value.name: value for value in payload.inputs}
        (text,) = StringCodec.decode_input(inputs["text"])
        numeric_NM = NumpyCodec.decode_input(inputs["numeric"]).astype(np.float32)
        probability = self.graph.predict(text, numeric_NM).ravel()
        logger.info(json.dumps(line_of(payload.id or "", text, numeric_NM, probability)))
        return InferenceResponse(model_name=self.name, outputs=[NumpyCodec.encode_output("probability", probability[:, None])])
