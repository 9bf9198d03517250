"""MLServer: a custom inference runtime on the Open Inference Protocol, REST and gRPC; batches arrive already joined."""

import numpy as np
from mlserver import MLModel
from mlserver.codecs import NumpyCodec, StringCodec
from mlserver.types import InferenceRequest, InferenceResponse

from loadtests.peers.servers.fused_graph import FusedGraph


class ClickRuntime(MLModel):
    async def load(self) -> bool:
        self.graph = FusedGraph.of_environment()
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        inputs = {value.name: value for value in payload.inputs}
        strings = np.array(StringCodec.decode_input(inputs["categorical"]), dtype=object)
        categorical_CN = np.ascontiguousarray(strings.reshape(inputs["categorical"].shape).T)
        numeric_MN = np.ascontiguousarray(NumpyCodec.decode_input(inputs["numeric"]).T)
        probability = self.graph.predict(categorical_CN, numeric_MN)
        return InferenceResponse(model_name=self.name, outputs=[NumpyCodec.encode_output("probability", probability[:, None])])
