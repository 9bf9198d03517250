"""LitServe with its dynamic batching: requests become arrays, arrays are joined into one call, the answer is cut again."""

import sys

import litserve as ls
import numpy as np

from loadtests.peers.servers.fused_graph import FusedGraph

WORKERS = 2
MAX_BATCH_SIZE = 64  # requests
BATCH_TIMEOUT_S = 0.001


class ClickApi(ls.LitAPI):
    def setup(self, device: str) -> None:
        self.graph = FusedGraph.of_environment()

    def decode_request(self, request: dict) -> tuple[np.ndarray, np.ndarray]:
        return np.array(request["categorical"], dtype=object).T, np.array(request["numeric"], dtype=np.float32).T

    def batch(self, inputs: list[tuple[np.ndarray, np.ndarray]]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        categorical, numeric = zip(*inputs, strict=True)
        ends = np.cumsum([part.shape[1] for part in numeric])
        return np.concatenate(categorical, axis=1), np.concatenate(numeric, axis=1), ends

    def predict(self, joined: tuple[np.ndarray, np.ndarray, np.ndarray]) -> list[np.ndarray]:
        categorical, numeric, ends = joined
        probability = self.graph.predict(np.ascontiguousarray(categorical), np.ascontiguousarray(numeric))
        return np.split(probability, ends[:-1])

    def unbatch(self, output: list[np.ndarray]) -> list[np.ndarray]:
        return output

    def encode_response(self, output: np.ndarray) -> dict:
        return {"probability": output.tolist()}


if __name__ == "__main__":
    api = ClickApi(max_batch_size=MAX_BATCH_SIZE, batch_timeout=BATCH_TIMEOUT_S)
    server = ls.LitServer(api, accelerator="cpu", workers_per_device=WORKERS, fast_queue=True)
    server.run(host="127.0.0.1", port=int(sys.argv[1]), log_level="warning", generate_client_file=False, access_log=False)
