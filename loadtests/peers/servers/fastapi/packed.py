"""FastAPI with the graph that the served model runs: the client spells the text, so there is next to nothing left to do."""

import numpy as np
from fastapi import FastAPI, Request, Response

from loadtests.peers.servers.packed_graph import PackedGraph
from loadtests.peers.servers.raw_layout import COUNT_BYTES

app = FastAPI()
graph = PackedGraph.of_environment()


@app.post("/predict")
async def predict(request: Request) -> Response:
    body = await request.body()
    num_rows = int.from_bytes(body[:COUNT_BYTES], "little")
    end = COUNT_BYTES + 4 * graph.num_numeric * num_rows
    numeric_NM = np.frombuffer(body, "<f4", graph.num_numeric * num_rows, COUNT_BYTES).reshape(num_rows, graph.num_numeric)
    return Response(graph.predict(body[end:].decode(), numeric_NM).tobytes(), media_type="application/octet-stream")
