"""FastAPI with the graph that the served model runs, and a line of JSON for each answer before it leaves."""

import numpy as np
from fastapi import FastAPI, Request, Response

from loadtests.peers.servers.journal_lines import JsonLines
from loadtests.peers.servers.packed_graph import PackedGraph
from loadtests.peers.servers.raw_layout import COUNT_BYTES

app = FastAPI()
graph, lines = PackedGraph.of_environment(), JsonLines()


@app.post("/predict")
async def predict(request: Request) -> Response:
    body = await request.body()
    num_rows = int.from_bytes(body[:COUNT_BYTES], "little")
    end = COUNT_BYTES + 4 * graph.num_numeric * num_rows
    numeric_NM = np.frombuffer(body, "<f4", graph.num_numeric * num_rows, COUNT_BYTES).reshape(num_rows, graph.num_numeric)
    text = body[end:].decode()
    probability_N = graph.predict(text, numeric_NM).ravel()
    lines.write(request.headers.get("x-request-id", ""), text, numeric_NM, probability_N)
    return Response(probability_N.tobytes(), media_type="application/octet-stream")
