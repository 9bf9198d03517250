"""FastAPI with the graph that the served model runs, and a line of JSON for each answer before it leaves."""

from fastapi import FastAPI, Request, Response

from loadtests.peers.servers.journal_lines import JsonLines
from loadtests.peers.servers.packed_graph import PackedGraph

app = FastAPI()
graph, lines = PackedGraph.of_environment(), JsonLines()


@app.post("/predict")
async def predict(request: Request) -> Response:
    text, numeric_NM = graph.read(await request.body())
    probability_N = graph.predict(text, numeric_NM).ravel()
    lines.write(request.headers.get("x-request-id", ""), text, numeric_NM, probability_N)
    return Response(probability_N.tobytes(), media_type="application/octet-stream")
