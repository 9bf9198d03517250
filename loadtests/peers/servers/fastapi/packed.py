"""FastAPI with the graph that the served model runs: the client spells the text, so there is next to nothing left to do."""

from fastapi import FastAPI, Request, Response

from loadtests.peers.servers.packed_graph import PackedGraph

app = FastAPI()
graph = PackedGraph.of_environment()


@app.post("/predict")
async def predict(request: Request) -> Response:
    text, numeric_NM = graph.read(await request.body())
    return Response(graph.predict(text, numeric_NM).tobytes(), media_type="application/octet-stream")
